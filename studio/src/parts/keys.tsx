import { useState } from "preact/hooks";
import type { Keys as KeyPair } from "../api";
import { call, change } from "../host";
import { t } from "../language";
import { Copied } from "./copied";
import { Ask } from "./dialog";
import { May } from "./may";
import { Told } from "./told";

/** Of what is at `path`: shown when they are asked for, and made anew one at a time, by those who may at `at`. */
export function Keys({ path, at = path, command }: { path: string; at?: string; command?(which: string): string }) {
  const [keys, setKeys] = useState<KeyPair | null>(null);
  const [fault, setFault] = useState<Error | null>(null);
  const [rotates, setRotates] = useState<"Primary" | "Secondary" | null>(null);
  async function show(): Promise<void> {
    try {
      setKeys((await call<KeyPair>("POST", `${path}/listKeys`)).body);
    } catch (error) {
      setFault(error instanceof Error ? error : new Error(String(error)));
    }
  }
  const kind = path.split("/")[0] ?? "";
  return (
    <May act={`${kind}/listKeys/action`} at={at}>
      <dt>{t("Keys")}</dt>
      <dd>
        {!keys && (
          <button type="button" class="plain" onClick={() => void show()}>
            {t("Ask for the keys")}
          </button>
        )}
        {keys &&
          (["Primary", "Secondary"] as const).map((which) => (
            <p key={which} class="row">
              {t(which)}
              <Copied secret text={which === "Primary" ? keys.primaryKey : keys.secondaryKey} label={t(which)} />
              <May act={`${kind}/regenerateKeys/action`} at={at}>
                <button type="button" class="plain" onClick={() => setRotates(which)}>
                  {t("Make anew")}
                </button>
              </May>
            </p>
          ))}
        <Told fault={fault} />
      </dd>
      {rotates && (
        <Ask
          title={t("Make the key anew?")}
          act={t("Make anew")}
          danger
          command={command?.(rotates.toLowerCase())}
          onClose={() => setRotates(null)}
          onAct={async (told) => {
            await change("POST", `${path}/regenerateKeys`, { keyType: rotates }, told);
            await show();
          }}
        >
          <p>{t("Who calls with the old one is refused from then on. The other key goes on.")}</p>
        </Ask>
      )}
    </May>
  );
}
