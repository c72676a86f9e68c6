// Package iceberg makes the complete runs of an output known to an Iceberg table, where their files lie. It is apart from
// package table, whose steps it takes, because the library that it needs is large.
//
// # The table
//
// It is made unpartitioned if it is not there: window_start is in the path only, and engines would read NULL for it. Its
// metadata lies where the catalog says, else below _iceberg in the output, and is written through the output's own store, so
// that no second library with its own credentials is needed. Files have no field ids, so the table has a name mapping, which
// is kept complete. Nothing is ever removed here, not even metadata that a failed commit leaves: it may have succeeded.
//
// # Once, whatever dies
//
// The steps are those of package table. Records are named for the uuid of the table, so that a table that was dropped and
// made again begins anew. A commit names its runs in the summary of its snapshot (summaryKey), and is made on the very
// snapshot that was looked at: a catalog that has another one by then refuses it, and the look begins again. So a commit whose
// answer is late cannot add anything twice either.
//
// A run is in the table if a snapshot in the history of the current one names it, or if its files are there. It is not in the
// table if nobody has begun to register it, or if the history is whole back to the snapshot that was current then, which the
// record of the beginning names. Else nobody can tell any more: snapshots expire, and rewriting takes files away.
package iceberg
