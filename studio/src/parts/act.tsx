import { useState } from "preact/hooks";
import { Command } from "./command";
import { May } from "./may";
import { Told } from "./told";

interface Props {
  label: string;
  /** The action that the host asks a right for, `at` a path below the workspace. */
  may: string;
  at?: string;
  primary?: boolean;
  /** What `mle` does the same by. */
  command: string;
  act(): Promise<void>;
}

/** A button that does something at once, for those who may, and tells why it was not done. */
export function Act({ label, act, may, at = "", primary = false, command }: Props) {
  const [fault, setFault] = useState<Error | null>(null);
  const [busy, setBusy] = useState(false);
  async function run(): Promise<void> {
    setFault(null);
    setBusy(true);
    try {
      await act();
    } catch (error) {
      setFault(error instanceof Error ? error : new Error(String(error)));
    } finally {
      setBusy(false);
    }
  }
  return (
    <May act={may} at={at}>
      <button type="button" class={primary ? "primary" : ""} disabled={busy} onClick={() => void run()}>
        {label}
      </button>
      <Command of={label} text={command} />
      <Told fault={fault} />
    </May>
  );
}
