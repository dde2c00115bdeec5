import { useId } from "preact/hooks";
import { t } from "../language";
import { Copied } from "./copied";

/** The `mle` command that does what a button beside it does at once, shown when it is asked for. */
export function Command({ of, text }: { of: string; text: string }) {
  const id = useId();
  return (
    <>
      <button type="button" class="plain" popovertarget={id} aria-label={t("{what}, in a terminal", { what: of })}>
        mle
      </button>
      <div id={id} popover="auto" class="command">
        <Copied text={text} label={t("command")} />
      </div>
    </>
  );
}
