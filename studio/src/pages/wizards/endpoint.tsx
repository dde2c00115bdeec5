import { change } from "../../host";
import { t } from "../../language";
import { Ask } from "../../parts/dialog";
import { Choice, Input, NAME_PATTERN, useForm } from "../../parts/form";
import { go, to } from "../../router";
import { word, yaml } from "../../yaml";

const MODES: Readonly<Record<string, string>> = { Key: "key", AMLToken: "aml_token", AADToken: "aad_token" };

export function NewEndpoint({ kind, onClose }: { kind: "online" | "batch"; onClose(): void }) {
  const [form, set] = useForm({ name: "", auth: kind === "online" ? "Key" : "AADToken", description: "" });
  const written = yaml({
    name: form.name || "NAME",
    auth_mode: MODES[form.auth],
    description: form.description || undefined,
  });
  const properties = { authMode: form.auth, ...(form.description && { description: form.description }) };
  const path = `${kind}Endpoints/${encodeURIComponent(form.name)}`;
  const body = { location: "local", properties };
  return (
    <Ask
      title={kind === "online" ? t("New online endpoint") : t("New batch endpoint")}
      act={t("Create")}
      wide
      yaml={written}
      command={`mle ${kind}-endpoint create -n ${word(form.name || "NAME")} -f endpoint.yml`}
      tries={{ method: "PUT", path, body }}
      onClose={onClose}
      onAct={async (told) => {
        await change("PUT", path, body, told);
        go(to(kind, form.name));
      }}
    >
      <Input
        label={t("Name")}
        value={form.name}
        required
        autofocus
        pattern={NAME_PATTERN}
        target="name"
        hint={t("3 to 32 letters, digits and hyphens, a letter first")}
        onChange={(name) => set({ name })}
      />
      <Choice
        label={t("Authentication")}
        value={form.auth}
        target="properties.authMode"
        options={[
          { value: "Key", name: t("Keys") },
          ...(kind === "online" ? [{ value: "AMLToken", name: t("Tokens of this endpoint, an hour each") }] : []),
          { value: "AADToken", name: t("Tokens of clients and their roles") },
        ]}
        onChange={(auth) => set({ auth })}
      />
      <Input label={t("Description")} value={form.description} target="properties.description" onChange={(description) => set({ description })} />
    </Ask>
  );
}
