/** The HTTP API as the console uses it: one way to ask, and the shapes that come back. */

export type Role = "viewer" | "operator" | "admin";

export interface Me {
  id: string;
  name: string;
  role: Role;
  tenant: string;
  everyone: boolean;
}

export interface Approval {
  id: string;
  tool: string;
  summary: string;
  rule: string;
  message_id: string;
  sender: string;
  asked_at: number;
  expires_at: number;
}

export interface SessionLine {
  key: string;
  session_id: string;
  version: number;
  turns: number;
  title: string;
  usd: number;
  input_tokens: number;
  output_tokens: number;
  cache_read_tokens: number;
  held_until: number | null;
  created_at: number;
  updated_at: number;
  expires_at: number;
  region: string;
  last_active_region: string;
  approval: Approval | null;
}

export interface SessionPage {
  sessions: SessionLine[];
  damaged: string[];
  after: string | null;
}

export interface SessionDetail {
  line: SessionLine;
  agent_session_id: string | null;
  profile: string;
  prompt_version: string;
  files: number;
  tree_bytes: number;
  stored_packs: number;
  stored_bytes: number;
  lifted_rules: string[];
  outbox: { message_id: string; turn: number; since: number }[];
  undelivered: { message_id: string; turn: number; at: number; error: string }[];
  keys: string[];
  interrupted: { message_id: string; text: string; complete: boolean }[];
}

export interface Result {
  message_id: string;
  session_id: string;
  turn: number;
  version: number;
  at: number;
  sender: string;
  text: string;
  reply: string;
  stop_reason: string;
  is_error: boolean;
  usd: number;
  input_tokens: number;
  output_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
  agent_turns: number;
  seconds: number;
  approval: Approval | null;
  joined: string[];
  attachments: TurnFile[];
  files: TurnFile[];
}

/** A file that came with a turn's message, or went out with its reply. */
export interface TurnFile {
  name: string;
  path: string;
  mime: string;
  size: number;
  kept: boolean;
  caption: string;
}

export interface ToolCall {
  id: string;
  name: string;
  input: string;
  result: string;
  status: "open" | "done" | "failed";
  steps: Step[];
}

export interface Step {
  kind: "text" | "thinking" | "tool" | "said" | "summary";
  at: number;
  text: string;
  left_out: number;
  call: ToolCall | null;
  images: string[];
}

export interface Story {
  result: Result;
  steps: Step[];
  remembered: boolean;
}

export interface Transcript {
  session_id: string;
  turns: Story[];
  before: number | null;
  earlier: Step[];
}

export interface Status {
  session_id: string;
  version: number;
  running: boolean;
  waiting: number;
  question: Approval | null;
}

export interface OpenQuestion {
  key: string;
  session_id: string;
  approval: Approval;
  has_expired: boolean;
}

export interface UsageLine {
  name: string;
  session_id: string | null;
  turns: number;
  agent_turns: number;
  usd: number;
  input_tokens: number;
  output_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
  seconds: number;
}

export interface Usage {
  lines: UsageLine[];
  total: UsageLine;
  damaged: string[];
}

export interface Letter {
  id: string;
  session_key: string;
  message_id: string;
  receives: number;
  died_at: number;
  reason: string;
  text: string | null;
}

export interface VersionLine {
  version: number;
  kind: string;
  at: number;
  message: string;
  files: number;
  files_changed: number | null;
  bytes_stored: number | null;
}

export interface FileChange {
  path: string;
  change: "added" | "removed" | "changed";
  before: number | null;
  after: number | null;
  text: string | null;
}

export interface TraceStep {
  name: string;
  began: number;
  seconds: number;
  found: string;
}

export interface Trace {
  turn: number;
  how: string;
  at: number;
  worker: string;
  steps: TraceStep[];
}

export interface StateChange {
  version: number;
  at: number;
  by: string;
  put: Record<string, unknown>;
  removed: string[];
}

export interface Schedule {
  id: string;
  session_key: string;
  text: string;
  next_at: number;
  at: number | null;
  every: number | null;
  cron: string;
  zone: string;
  fired: number;
}

export interface Queue {
  waiting: number | null;
  in_flight: number | null;
  dead: number;
}

export interface Token {
  id: string;
  name: string;
  tenant: string;
  role: Role;
  created_at: number;
  created_by: string;
  expires_at: number | null;
}

export interface Quotas {
  max_usd_per_turn: number | null;
  max_usd_per_session: number | null;
  max_usd_per_day: number | null;
  max_usd_per_month: number | null;
  max_agent_turns: number | null;
  max_concurrent_turns: number | null;
  turn_seconds: number | null;
}

export interface Control {
  quotas: Quotas;
  stopped: { reason: string; by: string; since: number } | null;
}

export interface Limits {
  tenant: Control;
  everyone: Control;
  effective: Quotas;
  today_usd: number;
  month_usd: number;
  running: unknown[];
}

export interface AuditEntry {
  at: number;
  what: string;
  session_key: string;
  session_id: string;
  by: string;
  details: Record<string, string>;
}

export interface Erased {
  complete: boolean;
  erased: string[];
  held: string[];
  not_covered: string[];
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly type: string,
    message: string,
    readonly fix: string | null,
  ) {
    super(message);
  }
}

/** Of a key for all tenants: the one that is looked at. */
let tenant = "";
let onSignedOut = () => {};

export function chooseTenant(name: string): void {
  tenant = name;
}

export function whenSignedOut(act: () => void): void {
  onSignedOut = act;
}

export async function ask(method: string, path: string, body?: unknown, options: RequestInit = {}): Promise<Response> {
  const headers = new Headers(options.headers);
  if (tenant) headers.set("Outlive-Tenant", tenant);
  if (body !== undefined) headers.set("Content-Type", "application/json");
  let response: Response;
  try {
    response = await fetch(path, { ...options, method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "Unavailable", "The server does not answer.", "Is `outlive serve` running?");
  }
  if (response.ok) return response;
  const problem = await response.json().then((told) => told.error, () => null);
  if (response.status === 401 && path !== "/v1/sign-in" && path !== "/v1/me") onSignedOut();
  throw new ApiError(response.status, problem?.type ?? "Error", problem?.message ?? response.statusText, problem?.fix ?? null);
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await ask("GET", path, undefined, { signal })).json();
}

export async function send<T>(method: string, path: string, body?: unknown): Promise<T> {
  return (await ask(method, path, body)).json();
}

/** Path of a session's route; the session by id or key. */
export function of(session: string, rest = ""): string {
  return `/v1/sessions/${encodeURIComponent(session)}${rest}`;
}

const RANK: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 };

export function may(me: Me, role: Role): boolean {
  return RANK[me.role] >= RANK[role];
}
