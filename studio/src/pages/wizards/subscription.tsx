import { call } from "../../host";
import { t } from "../../language";
import { Ask } from "../../parts/dialog";
import { Choice, Input, useForm } from "../../parts/form";
import { word, yaml } from "../../yaml";

/** Who is to be told what happens. */
export function NewSubscription({ onClose, onDone }: { onClose(): void; onDone(): void }) {
  const [form, set] = useForm({ name: "", kind: "WebHook", place: "", subject: "", description: "" });
  const isHook = form.kind === "WebHook";
  const properties = {
    ...(form.description && { description: form.description }),
    destination: {
      endpointType: form.kind,
      properties: isHook ? { endpointUrl: form.place } : { entityName: form.place },
    },
    ...(form.subject && { filter: { subjectBeginsWith: form.subject } }),
  };
  const path = `eventSubscriptions/${encodeURIComponent(form.name)}`;
  return (
    <Ask
      title={t("New event subscription")}
      act={t("Subscribe")}
      wide
      yaml={yaml({
        name: form.name || "NAME",
        description: form.description || undefined,
        destination: isHook ? { type: "web_hook", url: form.place || "https://…" } : { type: "service_bus_topic", entity_name: form.place || "TOPIC" },
        filter: form.subject ? { subject_begins_with: form.subject } : undefined,
      })}
      command={`mle event-subscription create -n ${word(form.name || "NAME")} -f subscription.yml`}
      tries={{ method: "PUT", path, body: { properties } }}
      onClose={onClose}
      onAct={async () => {
        await call("PUT", path, { properties });
        onDone();
      }}
    >
      <Input label={t("Name")} required autofocus value={form.name} target="name" onChange={(name) => set({ name })} />
      <Choice
        label={t("To")}
        value={form.kind}
        target="properties.destination.endpointType"
        options={[
          { value: "WebHook", name: t("a webhook") },
          { value: "ServiceBusTopic", name: t("a topic of Service Bus") },
        ]}
        onChange={(kind) => set({ kind })}
      />
      <Input
        label={isHook ? t("Its address") : t("Its name")}
        required
        value={form.place}
        placeholder={isHook ? "https://…" : ""}
        target={isHook ? "properties.destination.properties.endpointUrl" : "properties.destination.properties.entityName"}
        hint={isHook ? t("it is asked first whether it agrees, and each event is signed") : ""}
        onChange={(place) => set({ place })}
      />
      <Input
        label={t("Only what is about")}
        value={form.subject}
        placeholder="onlineEndpoints/"
        target="properties.filter"
        hint={t("how an event's subject begins; nothing here is everything")}
        onChange={(subject) => set({ subject })}
      />
      <Input label={t("Description")} value={form.description} target="properties.description" onChange={(description) => set({ description })} />
    </Ask>
  );
}
