/** Files of a turn: images are shown, the rest is there to be saved. */

import { of, type TurnFile } from "../api";
import { bytes } from "../format";
import { Act } from "./basics";
import { download } from "./erase";
import { Picture } from "./picture";

const SHOWN = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const LARGEST_SHOWN = 4_000_000;

export function Files({ files, session, turn, label }: { files: TurnFile[]; session: string; turn: number; label: string }) {
  if (!files.length) return null;
  return (
    <ul class="turn-files" aria-label={label}>
      {files.map((file) => (
        <li key={file.path}>
          <OneFile file={file} path={of(session, `/turns/${turn}/files/${encodeURIComponent(file.path)}`)} />
          {file.caption && <span class="hint">{file.caption}</span>}
        </li>
      ))}
    </ul>
  );
}

function OneFile({ file, path }: { file: TurnFile; path: string }) {
  const size = file.size ? bytes(file.size) : "";
  if (!file.kept) return <span class="file">{file.name} <span class="hint">{size} not kept by the turn</span></span>;
  return (
    <>
      {SHOWN.includes(file.mime) && file.size <= LARGEST_SHOWN && <Picture path={path} alt={file.name} />}
      <Act kind="file" act={() => download(path)} label={`Save ${file.name}`}>{file.name} <span class="hint">{size}</span></Act>
    </>
  );
}
