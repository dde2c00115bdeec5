/** Fields of a dialog. What the host says of one stands beside it: a field's `target` is the place in
 * the body that the host names its faults by. */

import { type ComponentChildren, createContext } from "preact";
import { useContext, useEffect, useId, useState } from "preact/hooks";
import type { Fault } from "../host";

export interface Told {
  faults: readonly Fault[];
  /** The targets that fields of the dialog tell of. */
  targets: Set<string>;
}

export const Faults = createContext<Told>({ faults: [], targets: new Set() });

/** Whether a fault is about what stands at `target`, or in it. */
export function isAbout(fault: Fault, target: string): boolean {
  return fault.target === target || Boolean(fault.target?.startsWith(`${target}.`));
}

/** The faults of one field: those of its own target, not those that a field inside it tells. */
function useFaults(target: string | undefined): readonly Fault[] {
  const told = useContext(Faults);
  useEffect(() => {
    if (!target) return undefined;
    told.targets.add(target);
    return () => void told.targets.delete(target);
  }, [target, told.targets]);
  if (!target) return [];
  return told.faults.filter(
    (fault) =>
      isAbout(fault, target) &&
      ![...told.targets].some((other) => other.startsWith(`${target}.`) && isAbout(fault, other)),
  );
}

interface Common {
  label: string;
  hint?: string | undefined;
  target?: string | undefined;
}

/** What a control needs to be told of its hint and its faults, and how these are shown. */
function useSaid({ hint, target }: Pick<Common, "hint" | "target">) {
  const field = useId();
  const id = `${field}-said`;
  const faults = useFaults(target);
  const said = Boolean(hint) || faults.length > 0;
  return {
    id: field,
    control: {
      id: field,
      "aria-invalid": faults.length > 0 ? ("true" as const) : undefined,
      "aria-describedby": said ? id : undefined,
    },
    shown: said && (
      <span id={id} class="said">
        {faults.map((fault) => (
          <span key={fault.message} class="bad">
            {fault.message}
          </span>
        ))}
        {hint && <span class="quiet">{hint}</span>}
      </span>
    ),
  };
}

interface InputProps extends Common {
  value: string;
  onChange(value: string): void;
  type?: "text" | "number" | undefined;
  required?: boolean | undefined;
  pattern?: string | undefined;
  placeholder?: string | undefined;
  min?: number | undefined;
  max?: number | undefined;
  step?: number | "any" | undefined;
  /** So many lines in place of one. */
  rows?: number | undefined;
  autofocus?: boolean | undefined;
}

export function Input(props: InputProps) {
  const said = useSaid(props);
  const common = {
    value: props.value,
    required: props.required ?? false,
    placeholder: props.placeholder ?? "",
    ...said.control,
  };
  return (
    <div class="field">
      <label for={said.id}>{props.label}</label>
      {props.rows ? (
        <textarea {...common} rows={props.rows} spellcheck={false} onInput={(event) => props.onChange(event.currentTarget.value)} />
      ) : (
        <input
          {...common}
          // Preact's types want one of them, and take what holds either for none.
          type={(props.type ?? "text") as "text"}
          pattern={props.pattern}
          min={props.min}
          max={props.max}
          step={props.step}
          autofocus={props.autofocus ?? false}
          onInput={(event) => props.onChange(event.currentTarget.value)}
        />
      )}
      {said.shown}
    </div>
  );
}

export interface Option {
  value: string;
  name: string;
}

interface ChoiceProps extends Common {
  value: string;
  onChange(value: string): void;
  options: readonly Option[];
  required?: boolean | undefined;
  /** Options below a heading of their own, after the others. */
  group?: { name: string; options: readonly Option[] } | undefined;
}

export function Choice(props: ChoiceProps) {
  const said = useSaid(props);
  return (
    <div class="field">
      <label for={said.id}>{props.label}</label>
      <select
        value={props.value}
        required={props.required ?? false}
        {...said.control}
        onChange={(event) => props.onChange(event.currentTarget.value)}
      >
        {props.options.map(option)}
        {props.group && props.group.options.length > 0 && <optgroup label={props.group.name}>{props.group.options.map(option)}</optgroup>}
      </select>
      {said.shown}
    </div>
  );
}

function option({ value, name }: Option) {
  return (
    <option key={value} value={value}>
      {name}
    </option>
  );
}

export function Check(props: { label: string; checked: boolean; onChange(checked: boolean): void }) {
  return (
    <label class="check">
      <input type="checkbox" checked={props.checked} onChange={(event) => props.onChange(event.currentTarget.checked)} />
      {props.label}
    </label>
  );
}

/** Fields that belong together; `open` ones are seen at once, others when they are asked for. */
export function Group({ title, open = false, children }: { title: string; open?: boolean; children: ComponentChildren }) {
  return (
    <details class="group" open={open}>
      <summary>{title}</summary>
      <div class="pair">{children}</div>
    </details>
  );
}

/** The values of a form, and how some of them change. */
export function useForm<T extends object>(initial: T): [T, (change: Partial<T>) => void] {
  const [form, setForm] = useState(initial);
  return [form, (change) => setForm((before) => ({ ...before, ...change }))];
}

/** Lines of NAME=value. */
export function variables(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const at = line.indexOf("=");
    if (at > 0) found[line.slice(0, at).trim()] = line.slice(at + 1).trim();
  }
  return found;
}

/** A whole number, where one was written. */
export function whole(text: string): number | undefined {
  return text.trim() === "" ? undefined : Number(text);
}

export const NAME_PATTERN = "[A-Za-z][A-Za-z0-9\\-]{1,30}[A-Za-z0-9]";
