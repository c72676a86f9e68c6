// Package table makes the complete runs of an output known to a table format, where they lie: no byte of them is written
// again. Iceberg and Delta are tables; for DuckLake, whose only client is DuckDB, it writes SQL.
//
// # Once, whatever dies
//
// Registering a run takes three steps:
//
//  1. The record registering-<table>.json is put beside the manifest, if it is not there.
//  2. The table is asked whether it has the run. If it has not, one commit adds the files and says that it did.
//  3. The record registered-<table>.json is put beside the manifest.
//
// A start that finds the last record asks the table nothing any more: whatever became of the files there (compaction takes
// paths away, expiry takes history away), they are not added again. A start that finds only the first one asks. A commit
// whose answer was lost is answered by asking, too. Where the table cannot tell any more a person decides
// (Config.Assume). Nothing is ever deleted on a doubt.
//
// Files that were written again (a manifest with a number k above 0) are a registration of their own, with records named
// …-<table>-<k>.json: one commit takes the old paths out and the new ones in. Only then are the old files removed (SwapDelta), so that
// whoever reads the table never meets a name without a file.
//
// # Delta
//
// The output is the table: its log lies in _delta_log, and a commit is a file there that is put if its number is free
// (deltalog.go has what is in it). Each run is an application in the sense of the format, with the number of its manifest as
// its version: a txn action in the same commit as the files, so that the table itself knows what it has. Two registrars that
// want the same number both read what the winner wrote; the loser looks again whether anything is left to do.
package table
