// Reads Parquet files with hyparquet and prints their rows as the API's result chunks, a line each: node
// hyparquet.mjs JOB, a JSON file with the files, the columns of JSON and the one beside the document.
import { readFileSync } from "node:fs";
import { parquetRead } from "hyparquet";
import { compressors } from "hyparquet-compressors";

const job = JSON.parse(readFileSync(process.argv[2], "utf8"));

// What has no counterpart in JSON: 64-bit integers, and times, which the API sends as milliseconds.
function plain(key, value) {
  if (typeof value === "bigint") {
    if (!Number.isSafeInteger(Number(value))) throw new Error(`${key} holds ${value}, which JSON cannot`);
    return Number(value);
  }
  return value ?? undefined;
}
Date.prototype.toJSON = function () {
  return this.getTime();
};

for (const name of job.files) {
  const bytes = readFileSync(name);
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const file = { byteLength: buffer.byteLength, slice: (start, end) => buffer.slice(start, end) };
  let lines = [];
  await parquetRead({
    file,
    compressors,
    rowFormat: "object",
    onComplete: (rows) => {
      for (const { [job.beside]: beside, ...document } of rows) {
        for (const name of job.json) if (document[name] != null) document[name] = JSON.parse(document[name]);
        const data = { data: document, [job.beside]: beside };
        lines.push(JSON.stringify({ chunk_type: "CT_RESULT", chunk_result: { data } }, plain));
      }
    },
  });
  process.stdout.write(lines.join("\n") + "\n");
}
