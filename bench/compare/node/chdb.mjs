// Runs one query with ClickHouse inside this process: node chdb.mjs JOB, a JSON file with its SQL.
import { readFileSync } from "node:fs";
import { query } from "chdb";

const job = JSON.parse(readFileSync(process.argv[2], "utf8"));
query(job.sql);
