import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { t } from "../language";
import { Code } from "./copied";
import { Told } from "./told";

interface Props {
  title: string;
  /** What the button that does it says. */
  act: string;
  danger?: boolean;
  /** What `mle` does the same by. */
  command?: string | undefined;
  yaml?: string | undefined;
  may?: boolean;
  children?: ComponentChildren;
  /** Does it; a rejection is shown, and the dialog stays. `told` says how far it is. */
  onAct(told: (status: string) => void): Promise<void>;
  onClose(): void;
}

/** Asks before something is done, says what will happen, and shows the command that does the same. */
export function Ask(props: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [status, setStatus] = useState<string | null>(null);
  const [fault, setFault] = useState<Error | null>(null);
  const title = useId();
  useEffect(() => {
    dialog.current?.showModal();
  }, []);

  async function act(event: Event): Promise<void> {
    event.preventDefault();
    setFault(null);
    setStatus(t("Asked"));
    try {
      await props.onAct((told) => setStatus(t(told)));
      props.onClose();
    } catch (error) {
      setFault(error instanceof Error ? error : new Error(String(error)));
    } finally {
      setStatus(null);
    }
  }

  return (
    <dialog ref={dialog} aria-labelledby={title} onClose={props.onClose}>
      <form onSubmit={(event) => void act(event)}>
        <h2 id={title}>{props.title}</h2>
        {props.children}
        <Told fault={fault} />
        {(props.command || props.yaml) && (
          <details>
            <summary>{t("The same in a terminal")}</summary>
            {props.yaml && <Code label="YAML" text={props.yaml} />}
            {props.command && <Code label="mle" text={props.command} />}
          </details>
        )}
        <div class="row end">
          <span role="status" class="quiet">
            {status ?? ""}
          </span>
          <button type="button" onClick={() => dialog.current?.close()}>
            {t("Close")}
          </button>
          <button type="submit" class={props.danger ? "danger" : "primary"} disabled={status !== null || props.may === false}>
            {props.act}
          </button>
        </div>
      </form>
    </dialog>
  );
}
