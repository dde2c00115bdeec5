import { useEffect, useRef, useState } from "preact/hooks";
import { call } from "../host";
import { t } from "../language";
import { paced } from "../polled";
import { ask, place } from "../router";
import { Told } from "./told";

const PAUSE = 3000;
const WAIT = 15;
const MOST = 5000;

export interface Log {
  text: string;
  fault: Error | null;
}

interface Page {
  lines: unknown[];
  content: string;
  cursor: string;
  missed: boolean;
}

function asleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** The last lines of a deployment's log: now, and as it comes where `follows`. The host is asked for what
came after what is here, and waits for it. */
export function useLog(path: string, kind: string, tail: number, follows: boolean, request = ""): Log {
  const [log, setLog] = useState<Log>({ text: "", fault: null });
  const cursor = useRef("");

  useEffect(() => {
    cursor.current = "";
    setLog({ text: "", fault: null });
  }, [path, kind, tail, request]);

  useEffect(() => {
    let gone = false;
    async function look(): Promise<boolean> {
      const from = cursor.current;
      const more = from ? { cursor: from, wait: follows ? WAIT : 0 } : { tail, contains: "" };
      try {
        const { body } = await call<Page>("POST", `${path}/getLogs`, { containerType: kind, ...(request && { requestId: request }), ...more });
        if (gone) return false;
        cursor.current = body.cursor;
        const come = body.missed ? [t("More was printed than is kept: some lines are not shown.")] : [];
        if (body.lines.length) come.push(body.content);
        setLog((before) => ({ text: ending([...(from && before.text ? [before.text] : []), ...come]), fault: null }));
        return true;
      } catch (error) {
        const fault = error instanceof Error ? error : new Error(String(error));
        if (!gone) setLog((before) => ({ ...before, fault }));
        return false;
      }
    }
    async function follow(): Promise<void> {
      while (!gone) {
        const held = document.hidden || !(await look());
        if (!follows) return;
        if (held && !gone) await asleep(PAUSE);
        // A script that prints all the time would be asked as often as it answers.
        await paced();
      }
    }
    void follow();
    return () => void (gone = true);
  }, [path, kind, tail, follows, request]);
  return log;
}

function ending(parts: string[]): string {
  return parts.join("\n").split("\n").slice(-MOST).join("\n");
}

/** A deployment's log as it comes, searched without losing what is around. */
export function Logs({ path }: { path: string }) {
  const [kind, setKind] = useState("InferenceServer");
  const [wanted, setWanted] = useState("");
  const [follows, setFollows] = useState(true);
  const request = place.value.query.get("request") ?? "";
  const { text, fault } = useLog(path, kind, 2000, follows, request);
  const end = useRef<HTMLPreElement>(null);

  useEffect(() => {
    if (follows && end.current) end.current.scrollTop = end.current.scrollHeight;
  }, [text]);

  const lines = text.split("\n").filter(Boolean);
  const sought = wanted.toLowerCase();
  const shown = sought ? lines.filter((line) => line.toLowerCase().includes(sought)) : lines;
  return (
    <section>
      <div class="row">
        <label class="inline">
          {t("Log of")}
          <select value={kind} onChange={(event) => setKind(event.currentTarget.value)}>
            <option value="InferenceServer">{t("the scoring script")}</option>
            <option value="StorageInitializer">{t("build and fetch")}</option>
          </select>
        </label>
        <input
          type="search"
          value={wanted}
          placeholder={t("Only lines with")}
          aria-label={t("Only lines with")}
          onInput={(event) => setWanted(event.currentTarget.value)}
        />
        <label class="inline">
          <input type="checkbox" checked={follows} onChange={(event) => setFollows(event.currentTarget.checked)} />
          {t("Follow")}
        </label>
        <span class="quiet" role="status">
          {t("{shown} of {all}", { shown: shown.length, all: lines.length })}
        </span>
      </div>
      {request && (
        <p class="row">
          <span class="break">{t("What was printed while request {request} was answered.", { request })}</span>
          <button type="button" class="plain" onClick={() => ask("request", null)}>
            {t("All lines")}
          </button>
        </p>
      )}
      <Told fault={fault} />
      <pre ref={end} class="log" tabIndex={0} aria-label={t("Log")}>
        {shown.length ? shown.join("\n") : t("Nothing yet.")}
      </pre>
    </section>
  );
}
