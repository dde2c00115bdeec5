import { useState } from "preact/hooks";
import { number, t } from "../../language";
import { Told } from "../../parts/told";
import type { Job } from "../../api";
import { download, first, signed } from "./stored";

const FIRST = 16 * 1024;
const FAILURES = 512 * 1024;

/** Its first rows, and the whole of it as a file. */
export function Output({ job }: { job: Job }) {
  const [rows, setRows] = useState<string | null>(null);
  const [fault, setFault] = useState<Error | null>(null);
  const output = job.properties.outputs["score"];
  if (!output) return null;

  async function withUrl(use: (url: string) => Promise<void>): Promise<void> {
    setFault(null);
    try {
      const url = await signed(output?.uri ?? "");
      if (url) await use(url);
    } catch (error) {
      setFault(error instanceof Error ? error : new Error(String(error)));
    }
  }

  return (
    <section class="card">
      <h2>{t("Output")}</h2>
      <p class="break">
        <code>{output.uri}</code>
      </p>
      {output.isComplete ? (
        <p class="row">
          <button type="button" onClick={() => void withUrl(async (url) => setRows((await first(url, FIRST)) ?? ""))}>
            {t("First rows")}
          </button>
          <button type="button" onClick={() => void withUrl((url) => download(url, String(output.uri.split("/").at(-1))))}>
            {t("Download")}
          </button>
        </p>
      ) : (
        <p class="quiet">{t("It is joined when the last mini-batch is done.")}</p>
      )}
      <Told fault={fault} />
      {rows !== null && <Rows text={rows} isCsv={output.uri.endsWith(".csv")} />}
    </section>
  );
}

/** The rows as they stand; CSV as a table. */
function Rows({ text, isCsv }: { text: string; isCsv: boolean }) {
  const table = isCsv ? csv(text).slice(0, 51) : [];
  const [head, ...rows] = table;
  if (!head) {
    return (
      <pre tabIndex={0} class="rows">
        {text}
      </pre>
    );
  }
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={t("First rows")}>
      <table>
        <thead>
          <tr>
            {head.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={index}>
              {row.map((cell, column) => (
                <td key={column}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** RFC 4180. */
function csv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  for (const [, quoted, plain = "", end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    row.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === ",") continue;
    if (row.length > 1 || row[0]) rows.push(row);
    row = [];
    if (!end) break;
  }
  return rows;
}

interface Failed {
  file: string;
  mini_batch?: number;
  attempts?: number;
  error?: string | { message?: string };
  log_excerpt?: string;
}

/** The files that have no rows, each with why and what its worker had printed. */
export function Failures({ job }: { job: Job }) {
  const [found, setFound] = useState<readonly Failed[] | null>(null);
  const [fault, setFault] = useState<Error | null>(null);
  const failed = job.properties.progress?.failedFiles ?? 0;
  const output = job.properties.outputs["score"];
  if (!failed || !output) return null;

  async function read(): Promise<void> {
    setFault(null);
    try {
      setFound(parsed((await manifest(output?.uri ?? "")) ?? ""));
    } catch (error) {
      setFault(error instanceof Error ? error : new Error(String(error)));
    }
  }

  return (
    <section class="card">
      <h2>{t("Files that failed: {n}", { n: number(failed) })}</h2>
      {found === null && (
        <button type="button" onClick={() => void read()}>
          {t("Which, and why")}
        </button>
      )}
      {found?.length === 0 && <p class="quiet">{t("Which they were is written when the job ends.")}</p>}
      <Told fault={fault} />
      {found?.map((each) => (
        <details key={each.file} class="failure">
          <summary>
            <code>{each.file}</code> <span class="quiet">{reason(each).split("\n")[0]}</span>
          </summary>
          <p class="quiet">{t("Tried {n} times.", { n: number(each.attempts) })}</p>
          <pre tabIndex={0}>{[reason(each), each.log_excerpt].filter(Boolean).join("\n\n")}</pre>
        </details>
      ))}
    </section>
  );
}

/** `failed_files.jsonl` beside the output, or by its name where others may lie there. */
async function manifest(uri: string): Promise<string | null> {
  for (const name of [uri.replace(/[^/]+$/, "failed_files.jsonl"), `${uri}.failed_files.jsonl`]) {
    const url = await signed(name);
    const text = url && (await first(url, FAILURES));
    if (text) return text;
  }
  return null;
}

function parsed(text: string): Failed[] {
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Failed);
}

function reason(of: Failed): string {
  return typeof of.error === "string" ? of.error : (of.error?.message ?? "");
}
