import { useState } from "preact/hooks";
import { change } from "../../host";
import { t } from "../../language";
import { Ask } from "../../parts/dialog";
import { Input, whole } from "../../parts/form";
import type { OnlineDeployment } from "../../api";
import { word, yaml } from "../../yaml";

function place(endpoint: string, name: string): string {
  return `onlineEndpoints/${encodeURIComponent(endpoint)}/deployments/${encodeURIComponent(name)}`;
}

interface Props {
  endpoint: string;
  onClose(): void;
  onDone(): void;
}

export function ScaleDeployment({ endpoint, deployment, onClose, onDone }: Props & { deployment: OnlineDeployment }) {
  const [count, setCount] = useState(String(deployment.sku?.capacity ?? 1));
  const { name } = deployment;
  const body = { sku: { capacity: whole(count) } };
  return (
    <Ask
      title={t("Scale {name}", { name })}
      act={t("Scale")}
      yaml={yaml({ name, endpoint_name: endpoint, instance_count: whole(count) ?? 1 })}
      command={`mle online-deployment update -e ${word(endpoint)} -n ${word(name)} --set instance_count=${count}`}
      tries={{ method: "PATCH", path: place(endpoint, name), body }}
      onClose={onClose}
      onAct={async (told) => {
        await change("PATCH", place(endpoint, name), body, told);
        onDone();
      }}
    >
      <Input
        label={t("Instances")}
        type="number"
        min={0}
        required
        value={count}
        target="sku.capacity"
        hint={t("0 sleeps until it is asked")}
        onChange={setCount}
      />
    </Ask>
  );
}

export function DeleteDeployment({ endpoint, name, share, onClose, onDone }: Props & { name: string; share: number }) {
  return (
    <Ask
      title={t("Delete {name}?", { name })}
      act={t("Delete")}
      danger
      command={`mle online-deployment delete -e ${word(endpoint)} -n ${word(name)} --yes`}
      tries={{ method: "DELETE", path: place(endpoint, name) }}
      onClose={onClose}
      onAct={async (told) => {
        await change("DELETE", place(endpoint, name), undefined, told);
        onDone();
      }}
    >
      <p>
        {share > 0
          ? t("{share} % of the traffic goes to it; move that first.", { share })
          : t("Its instances end; requests under way are answered.")}
      </p>
    </Ask>
  );
}
