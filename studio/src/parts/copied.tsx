import { useState } from "preact/hooks";
import { t } from "../language";

/** A text to take along. */
export function Copied({ text, label, secret = false }: { text: string; label: string; secret?: boolean }) {
  const [done, setDone] = useState(false);
  const [shown, setShown] = useState(!secret);
  async function copy(): Promise<void> {
    await navigator.clipboard.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), 2000);
  }
  return (
    <span class="copied">
      <code>{shown ? text : "••••••••••••"}</code>
      {secret && (
        <button type="button" class="plain" onClick={() => setShown(!shown)}>
          {shown ? t("Hide") : t("Show")}
        </button>
      )}
      <button type="button" class="plain" aria-label={t("Copy {what}", { what: label })} onClick={() => void copy()}>
        {done ? t("Copied") : t("Copy")}
      </button>
    </span>
  );
}

/** A block of code to take along. */
export function Code({ text, label }: { text: string; label: string }) {
  return (
    <figure class="code">
      <figcaption>
        {label}
        <button type="button" class="plain" onClick={() => void navigator.clipboard.writeText(text)}>
          {t("Copy")}
        </button>
      </figcaption>
      <pre tabIndex={0}>{text}</pre>
    </figure>
  );
}
