import { useState } from "preact/hooks";
import { t } from "../../language";

type Kept = Record<string, string>;

function read(key: string): Kept {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "{}") as Kept;
  } catch {
    return {};
  }
}

/** Requests that this browser has kept of an endpoint, by name. */
export function Examples({ endpoint, body, onChoose }: { endpoint: string; body: string; onChoose(body: string): void }) {
  const key = `studio-examples-${endpoint}`;
  const [kept, setKept] = useState(() => read(key));
  const [chosen, setChosen] = useState("");
  const [name, setName] = useState("");
  const names = Object.keys(kept);
  function save(all: Kept): void {
    localStorage.setItem(key, JSON.stringify(all));
    setKept(all);
  }
  return (
    <div class="row">
      {names.length > 0 && (
        <label class="inline">
          {t("Saved")}
          <select
            value={chosen}
            onChange={(event) => {
              const next = event.currentTarget.value;
              setChosen(next);
              const found = kept[next];
              if (found !== undefined) onChoose(found);
            }}
          >
            <option value="">{t("choose…")}</option>
            {names.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
      )}
      {chosen && (
        <button
          type="button"
          class="plain"
          onClick={() => {
            save(Object.fromEntries(Object.entries(kept).filter(([each]) => each !== chosen)));
            setChosen("");
          }}
        >
          {t("Forget it")}
        </button>
      )}
      <label class="inline">
        {t("Save as")}
        <input value={name} onInput={(event) => setName(event.currentTarget.value)} />
      </label>
      <button
        type="button"
        disabled={!name.trim()}
        onClick={() => {
          save({ ...kept, [name.trim()]: body });
          setChosen(name.trim());
          setName("");
        }}
      >
        {t("Save")}
      </button>
    </div>
  );
}
