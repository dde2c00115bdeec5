import { useEffect, useRef, useState } from "preact/hooks";
import { call } from "../host";
import { t } from "../language";
import { Told } from "./told";

const EVERY = 3000;

export interface Log {
  text: string;
  fault: Error | null;
}

/** The last lines of a deployment's log: now, and as it comes where `follows`. */
export function useLog(path: string, kind: string, tail: number, follows: boolean): Log {
  const [log, setLog] = useState<Log>({ text: "", fault: null });
  useEffect(() => {
    let gone = false;
    async function look(): Promise<void> {
      if (document.hidden) return;
      try {
        const told = await call<{ content: string }>("POST", `${path}/getLogs`, { containerType: kind, tail });
        if (!gone) setLog({ text: told.body.content, fault: null });
      } catch (error) {
        const fault = error instanceof Error ? error : new Error(String(error));
        if (!gone) setLog((before) => ({ ...before, fault }));
      }
    }
    void look();
    if (!follows) return () => void (gone = true);
    const timer = setInterval(() => void look(), EVERY);
    return () => {
      gone = true;
      clearInterval(timer);
    };
  }, [path, kind, tail, follows]);
  return log;
}

/** A deployment's log as it comes, searched without losing what is around. */
export function Logs({ path }: { path: string }) {
  const [kind, setKind] = useState("InferenceServer");
  const [wanted, setWanted] = useState("");
  const [follows, setFollows] = useState(true);
  const { text, fault } = useLog(path, kind, 2000, follows);
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
      <Told fault={fault} />
      <pre ref={end} class="log" tabIndex={0} aria-label={t("Log")}>
        {shown.length ? shown.join("\n") : t("Nothing yet.")}
      </pre>
    </section>
  );
}
