// fhir-kit-client, from npm, tours the API. Prints one line of JSON per step; the test beside it judges them.
//
//     NPM_HOME=.venv/npm node fhir_kit_client.mjs BASE   (its key and the documents come on standard input)

import { randomUUID, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const home = pathToFileURL(`${process.env.NPM_HOME}/node_modules/fhir-kit-client/dist/index.js`);
const { Client, CapabilityTool } = await import(home.href);

const baseUrl = process.argv[2];
const { system, now, patient, bundle, consultation, answer } = JSON.parse(readFileSync(0, "utf8"));
const say = (step, found) => console.log(JSON.stringify({ step, ...found }));

const stranger = new Client({ baseUrl });
const statement = new CapabilityTool(await stranger.capabilityStatement());
say("metadata", {
  reads: statement.resourceCan("Patient", "read"),
  transacts: statement.serverCan("transaction"),
  finds: statement.resourceSearch("Task", "owner"),
});
say("stranger", { status: await refused(() => stranger.search({ resourceType: "Patient" })) });

// SMART Backend Services: the library finds the address, and leaves the signing to its user.
const { tokenUrl } = await stranger.smartAuthMetadata();
const coded = (part) => Buffer.from(JSON.stringify(part)).toString("base64url");
const claims = { iss: system.id, sub: system.id, aud: tokenUrl.href, exp: now + 240, jti: randomUUID() };
const signed = `${coded({ alg: "ES384", typ: "JWT", kid: system.kid })}.${coded(claims)}`;
const signature = sign("sha384", Buffer.from(signed), { key: system.key, dsaEncoding: "ieee-p1363" });
const form = new URLSearchParams({
  grant_type: "client_credentials",
  scope: system.scope,
  client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
  client_assertion: `${signed}.${signature.toString("base64url")}`,
});
const token = await (await fetch(tokenUrl, { method: "POST", body: form })).json();
say("token", { type: token.token_type, seconds: token.expires_in, granted: token.scope === system.scope });

const client = new Client({ baseUrl, bearerToken: token.access_token });
const named = (number) => ({ ...patient, identifier: [{ ...patient.identifier[0], value: `MRN-${number}` }] });
const create = (resource, options) =>
  client.create({ resourceType: resource.resourceType, body: resource, options });

// Search with paging, there and back, by GET and by POST.
const created = [];
for (const number of [1, 2, 3, 4, 5]) created.push(await create(named(number)));
say("create", { status: Client.httpFor(created[0]).response.status, versions: versionsOf(created) });
const searchParams = { _sort: "-_lastUpdated,_id", _count: 2 };
const pages = [await client.search({ resourceType: "Patient", searchParams })];
for (let next; (next = await client.nextPage({ bundle: pages.at(-1) })); ) pages.push(next);
const back = await client.prevPage({ bundle: pages[1] });
const posted = await client.search({ resourceType: "Patient", searchParams, options: { postSearch: true } });
say("search", {
  sizes: pages.map((page) => page.entry.length),
  all: pages.flatMap(idsOf).sort().join() === created.map((row) => row.id).sort().join(),
  back: idsOf(back).join() === idsOf(pages[0]).join(),
  posted: idsOf(posted).join() === idsOf(pages[0]).join(),
});

// Conditional create, and update.
const options = { headers: { "If-None-Exist": `identifier=${patient.identifier[0].system}|MRN-3` } };
const again = await create(named(3), options);
say("conditional create", {
  status: Client.httpFor(again).response.status,
  same: again.id === created[2].id,
});
const body = { ...named(3), gender: "other" };
const updated = await client.update({
  resourceType: "Patient",
  searchParams: { identifier: `${patient.identifier[0].system}|MRN-3` },
  body,
});
say("conditional update", { same: updated.id === created[2].id, gender: updated.gender });

// History and vread.
const { id } = updated;
const history = await client.history({ resourceType: "Patient", id });
const first = await client.vread({ resourceType: "Patient", id, version: "1" });
const ofType = await client.history({ resourceType: "Patient" });
const ofAll = await client.history();
say("history", {
  versions: versionsOf(history.entry.map((entry) => entry.resource)),
  first: first.gender,
  type: ofType.entry.length,
  all: ofAll.entry.filter((entry) => entry.resource.resourceType === "Patient").length,
});

// Operations: on a type with a body, on one resource without.
const validated = await client.operation({ name: "validate", resourceType: "Patient", input: { ...patient, gender: "f" } });
const everything = await client.operation({ name: "everything", resourceType: "Patient", id, method: "GET" });
say("operations", { issue: validated.issue[0].expression, everything: everything.total });

// The workflow: one transaction, the Task, a patch with If-Match, the answer, the gate.
const made = (await client.transaction({ body: bundle })).entry.map((entry) => entry.resource);
const [who, , , seat, order, request] = made;
const compartment = { resourceType: "Patient", id: who.id };
const ofPatient = await client.search({ resourceType: "ServiceRequest", compartment });
say("compartment", { found: idsOf(ofPatient).sort().join() === [order.id, request.id].sort().join() });
say("transaction", { types: made.map((row) => row.resourceType), order: order.status });
const tasks = await client.search({
  resourceType: "Task",
  searchParams: { focus: `ServiceRequest/${request.id}`, _include: "Task:owner" },
});
const task = tasks.entry.find((entry) => entry.search.mode === "match").resource;
const owner = await client.resolve({ reference: task.owner.reference, context: tasks });
say("task", { status: task.status, owner: owner.id === seat.id });
const patch = {
  resourceType: "Task",
  id: task.id,
  jsonPatch: [{ op: "replace", path: "/status", value: "accepted" }],
  options: { headers: { "If-Match": `W/"${task.meta.versionId}"` } },
};
say("patch", { status: (await client.patch(patch)).status });
say("stale patch", { status: await refused(() => client.patch(patch)) });
say("gate", await gate());
const references = [
  ["{patient}", `Patient/${who.id}`],
  ["{order}", `ServiceRequest/${order.id}`],
  ["{request}", `ServiceRequest/${request.id}`],
];
await create(filled(consultation));
say("answer", { status: (await create(filled(answer))).status });
say("gate", await gate());
const done = await client.read({ resourceType: "Task", id: task.id });
say("done", { task: done.status, order: (await client.read({ resourceType: "ServiceRequest", id: order.id })).status });
say("delete", { status: await refused(() => client.delete({ resourceType: "Patient", id: who.id })) });

function idsOf(page) {
  return page.entry.map((entry) => entry.resource.id);
}

function versionsOf(rows) {
  return rows.map((row) => row.meta.versionId);
}

async function refused(call) {
  try {
    await call();
  } catch (error) {
    return error.response.data.resourceType === "OperationOutcome" ? error.response.status : error.message;
  }
  return "let through";
}

async function gate() {
  const read = await client.operation({ name: "gate", resourceType: "ServiceRequest", id: order.id, method: "GET" });
  const values = (name) => read.parameter.filter((row) => row.name === name);
  return { open: values("open")[0].valueBoolean, reasons: values("reason").map((row) => row.valueString) };
}

function filled(document) {
  return JSON.parse(references.reduce((text, [from, to]) => text.replaceAll(from, to), JSON.stringify(document)));
}
