/** Fields for what a JSON Schema describes, as far as models' do. */

import { useState } from "preact/hooks";
import { t } from "../language";

export interface Schema {
  $ref?: string;
  type?: string;
  format?: string;
  title?: string;
  description?: string;
  enum?: readonly unknown[];
  properties?: Readonly<Record<string, Schema>>;
  required?: readonly string[];
  items?: Schema;
  anyOf?: readonly Schema[];
  oneOf?: readonly Schema[];
  example?: unknown;
  default?: unknown;
}

type Json = unknown;

/** `schema` without references, and of alternatives the first. */
export function plain(schema: Schema | undefined, document: unknown, depth = 0): Schema {
  if (!schema || depth > 12) return {};
  if (schema.$ref) {
    const found = schema.$ref
      .replace(/^#\//, "")
      .split("/")
      .reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], document);
    return plain(found as Schema, document, depth + 1);
  }
  const first = schema.oneOf?.[0] ?? schema.anyOf?.[0];
  if (first) return { ...plain(first, document, depth + 1), ...(schema.example !== undefined && { example: schema.example }) };
  const properties = schema.properties && {
    properties: Object.fromEntries(Object.entries(schema.properties).map(([name, each]) => [name, plain(each, document, depth + 1)])),
  };
  return { ...schema, ...properties, ...(schema.items && { items: plain(schema.items, document, depth + 1) }) };
}

/** Whether fields can be drawn for it. */
export function isDrawable(schema: Schema | null): schema is Schema {
  return Boolean(schema?.properties && Object.keys(schema.properties).length);
}

interface Props {
  /** What it is called; nothing where a label around it says so. */
  name?: string | undefined;
  schema: Schema;
  value: Json;
  onChange(value: Json): void;
}

export function SchemaForm({ name, schema, value, onChange }: Props) {
  if (schema.properties) {
    const had = isObject(value) ? value : {};
    return (
      <fieldset class={name ? "" : "bare"}>
        {name && <legend>{schema.title ?? name}</legend>}
        {schema.description && <p class="quiet">{schema.description}</p>}
        {Object.entries(schema.properties).map(([member, each]) => (
          <SchemaForm key={member} name={member} schema={each} value={had[member]} onChange={(next) => onChange({ ...had, [member]: next })} />
        ))}
      </fieldset>
    );
  }
  if (schema.type === "array" && (schema.items?.properties || schema.items?.type === "array")) {
    return <Rows name={name} schema={schema} value={value} onChange={onChange} />;
  }
  return (
    <label>
      {schema.title ?? name} {schema.description && <span class="quiet">{schema.description}</span>}
      <Cell schema={schema} value={value} onChange={onChange} />
    </label>
  );
}

/** One value, without its name. */
function Cell({ name, schema, value, onChange }: Props) {
  if (schema.enum) {
    return (
      <select aria-label={name} value={String(value)} onChange={(event) => onChange(schema.enum?.[event.currentTarget.selectedIndex])}>
        {schema.enum.map((each) => (
          <option key={String(each)}>{String(each)}</option>
        ))}
      </select>
    );
  }
  if (schema.type === "boolean") {
    return <input aria-label={name} type="checkbox" checked={value === true} onChange={(event) => onChange(event.currentTarget.checked)} />;
  }
  if (schema.type === "number" || schema.type === "integer") {
    return (
      <input
        aria-label={name}
        type="number"
        step={schema.type === "integer" ? 1 : "any"}
        value={typeof value === "number" ? value : ""}
        onInput={(event) => onChange(event.currentTarget.value === "" ? null : event.currentTarget.valueAsNumber)}
      />
    );
  }
  if (schema.type === "string") {
    return <input aria-label={name} value={typeof value === "string" ? value : ""} onInput={(event) => onChange(event.currentTarget.value)} />;
  }
  return <Raw name={name} value={value} onChange={onChange} />;
}

/** JSON as text, taken over as soon as it is some. */
function Raw({ name, value, onChange }: Omit<Props, "schema">) {
  const [text, setText] = useState(() => JSON.stringify(value ?? null));
  let isJson = true;
  try {
    JSON.parse(text);
  } catch {
    isJson = false;
  }
  return (
    <textarea
      aria-label={name}
      aria-invalid={isJson ? undefined : "true"}
      rows={2}
      value={text}
      onInput={(event) => {
        setText(event.currentTarget.value);
        try {
          onChange(JSON.parse(event.currentTarget.value));
        } catch {
          // Half of a value is none yet.
        }
      }}
    />
  );
}

const WIDEST = 40;

/** Rows of numbers, or of records: a table. */
function Rows({ name, schema, value, onChange }: Props) {
  const rows: readonly Json[] = Array.isArray(value) ? value : [];
  const records = schema.items?.properties;
  const model = rows[0] ?? (Array.isArray(schema.example) ? schema.example[0] : undefined);
  const columns = records ? Object.keys(records) : Array.isArray(model) ? model.map((_, index) => String(index)) : [];
  if (!columns.length || columns.length > WIDEST) {
    return (
      <label>
        {schema.title ?? name}
        <Raw value={value} onChange={onChange} />
      </label>
    );
  }
  const replaced = (at: number, row: Json): Json[] => rows.map((each, index) => (index === at ? row : each));
  function cell(at: number, column: string, index: number) {
    const row = rows[at];
    const had = records ? (isObject(row) ? row[column] : undefined) : Array.isArray(row) ? (row as Json[])[index] : undefined;
    const of = records?.[column] ?? schema.items?.items ?? { type: typeof had === "string" ? "string" : "number" };
    const set = (next: Json): void => {
      if (records) onChange(replaced(at, { ...(isObject(row) ? row : {}), [column]: next }));
      else onChange(replaced(at, Object.assign([...(Array.isArray(row) ? row : [])], { [index]: next })));
    };
    return <Cell name={t("{column}, row {row}", { column, row: at + 1 })} schema={of} value={had} onChange={set} />;
  }
  const empty = records ? Object.fromEntries(columns.map((column) => [column, blank(records[column])])) : columns.map(() => 0);
  return (
    <fieldset>
      <legend>{schema.title ?? name}</legend>
      <div class="scroll" tabIndex={0} role="region" aria-label={name}>
        <table class="rows">
          <thead>
            <tr>
              {columns.map((column) => (
                <th key={column} scope="col">
                  {column}
                </th>
              ))}
              <td />
            </tr>
          </thead>
          <tbody>
            {rows.map((_, at) => (
              <tr key={at}>
                {columns.map((column, index) => (
                  <td key={column}>{cell(at, column, index)}</td>
                ))}
                <td>
                  <button
                    type="button"
                    class="plain"
                    aria-label={t("Without row {row}", { row: at + 1 })}
                    onClick={() => onChange(rows.filter((__, index) => index !== at))}
                  >
                    ✕
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <button type="button" onClick={() => onChange([...rows, rows.at(-1) ?? empty])}>
        {t("One more row")}
      </button>
    </fieldset>
  );
}

function blank(schema: Schema | undefined): Json {
  if (schema?.default !== undefined) return schema.default;
  if (schema?.properties) return Object.fromEntries(Object.entries(schema.properties).map(([name, each]) => [name, blank(each)]));
  return { string: "", boolean: false, array: [], number: 0, integer: 0 }[schema?.type ?? ""] ?? null;
}

/** The schema's own example, or what has every field of it. */
export function exampleOf(schema: Schema): Json {
  return schema.example ?? blank(schema);
}

function isObject(value: Json): value is Record<string, Json> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
