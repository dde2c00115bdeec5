import type { ComponentChildren } from "preact";
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import type { Change, WhatIf } from "../api";
import { call, Refusal } from "../host";
import { t } from "../language";
import { Changes } from "./changes";
import { Code } from "./copied";
import { Faults, isAbout } from "./form";
import { Told } from "./told";

/** What a dialog asks of the host, as far as it can be tried. */
export interface Asked {
  method: "PUT" | "PATCH" | "DELETE";
  path: string;
  body?: unknown;
}

interface Props {
  title: string;
  /** What the button that does it says. */
  act: string;
  danger?: boolean;
  /** What `mle` does the same by. */
  command?: string | undefined;
  yaml?: string | undefined;
  may?: boolean;
  /** Has the command and the YAML beside the fields. */
  wide?: boolean;
  /** Offers to try it: the host says what would change, or why not, and does nothing. */
  tries?: Asked | undefined;
  children?: ComponentChildren;
  /** Does it; a rejection is shown, at the fields that it is about, and the dialog stays. `told` says
   * how far it is. */
  onAct(told: (status: string) => void): Promise<void>;
  onClose(): void;
}

/** Asks before something is done, says what will happen, and shows the command that does the same. */
export function Ask(props: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [status, setStatus] = useState<string | null>(null);
  const [fault, setFault] = useState<Error | null>(null);
  const [changes, setChanges] = useState<readonly Change[] | null>(null);
  const form = useRef<HTMLFormElement>(null);
  const title = useId();
  const targets = useMemo(() => new Set<string>(), []);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  useEffect(() => {
    if (fault) dialog.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  }, [fault]);

  async function attempt(asked: Asked): Promise<void> {
    if (!form.current?.reportValidity()) return;
    setFault(null);
    setChanges(null);
    setStatus(t("Tried"));
    try {
      const tried = await call<WhatIf>(asked.method, `${asked.path}?dryRun=true`, asked.body);
      setChanges(tried.body.properties.changes);
    } catch (error) {
      setFault(error instanceof Error ? error : new Error(String(error)));
    } finally {
      setStatus(null);
    }
  }

  async function act(event: Event): Promise<void> {
    event.preventDefault();
    setFault(null);
    setChanges(null);
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

  const faults = fault instanceof Refusal ? fault.faults : [];
  const same = (props.command || props.yaml) && (
    <>
      {props.yaml && <Code label="YAML" text={props.yaml} />}
      {props.command && <Code label="mle" text={props.command} />}
    </>
  );
  return (
    <dialog ref={dialog} class={props.wide ? "wide" : ""} aria-labelledby={title} onClose={props.onClose}>
      <form ref={form} onSubmit={(event) => void act(event)}>
        <h2 id={title}>{props.title}</h2>
        <div class={props.wide ? "beside" : ""}>
          <div class="fields">
            <Faults.Provider value={{ faults, targets }}>{props.children}</Faults.Provider>
          </div>
          {same && props.wide && (
            <section class="same" aria-label={t("The same in a terminal")}>
              <h3>{t("The same in a terminal")}</h3>
              {same}
            </section>
          )}
        </div>
        <Told fault={rest(fault, targets)} />
        {changes && <Changes of={changes} />}
        {same && !props.wide && (
          <details>
            <summary>{t("The same in a terminal")}</summary>
            {same}
          </details>
        )}
        <div class="row end">
          <span role="status" class="quiet">
            {status ?? ""}
          </span>
          <button type="button" onClick={() => dialog.current?.close()}>
            {t("Close")}
          </button>
          {props.tries && (
            <button type="button" disabled={status !== null || props.may === false} onClick={() => props.tries && void attempt(props.tries)}>
              {t("Try it")}
            </button>
          )}
          <button type="submit" class={props.danger ? "danger" : "primary"} disabled={status !== null || props.may === false}>
            {props.act}
          </button>
        </div>
      </form>
    </dialog>
  );
}

/** What of a refusal no field tells; of one that the fields tell whole, that they do. */
function rest(fault: Error | null, targets: ReadonlySet<string>): Error | null {
  if (!(fault instanceof Refusal)) return fault;
  const left = fault.faults.filter((each) => ![...targets].some((target) => isAbout(each, target)));
  if (left.length === fault.faults.length) return fault;
  const [first] = left;
  if (!first) return new Error(t("The host refuses it; why stands at the fields."));
  return new Refusal(fault.status, first.code, first.message, left);
}
