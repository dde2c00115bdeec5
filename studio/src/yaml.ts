/** The YAML that `mle` takes for what the studio does. */

/** YAML that was written by hand and stands below a name as it is. */
export class Written {
  constructor(readonly text: string) {}
}

export type Yaml =
  | string
  | number
  | boolean
  | null
  | undefined
  | Written
  | readonly Yaml[]
  | { readonly [name: string]: Yaml };

const PLAIN = /^(?:\.\/)?[A-Za-z_/][\w ./@:+-]*$/;
const WORDS = /^(?:true|false|yes|no|on|off|null|y|n)$/i;

/** As YAML; members that are undefined are left out. */
export function yaml(value: Yaml, indent = ""): string {
  if (value instanceof Written) {
    return value.text
      .trimEnd()
      .split("\n")
      .map((line) => (line.trim() ? indent + line : ""))
      .join("\n");
  }
  if (Array.isArray(value)) {
    return value.map((each) => `${indent}- ${yaml(each as Yaml, `${indent}  `).trimStart()}`).join("\n");
  }
  if (value && typeof value === "object") {
    return Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .map(([name, member]) =>
        member && typeof member === "object" && Object.keys(member).length
          ? `${indent}${scalar(name)}:\n${yaml(member as Yaml, `${indent}  `)}`
          : `${indent}${scalar(name)}: ${scalar(member as Yaml)}`,
      )
      .join("\n");
  }
  return indent + scalar(value);
}

function scalar(value: Yaml): string {
  if (value === null || value === undefined) return "null";
  if (typeof value === "object") return Array.isArray(value) ? "[]" : "{}";
  if (typeof value !== "string") return String(value);
  const plain = PLAIN.test(value) && !WORDS.test(value) && !/: |:$| #| $/.test(value);
  return plain ? value : JSON.stringify(value);
}

/** One word of a shell's command. */
export function word(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
