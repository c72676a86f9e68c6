// Package sink writes rotating Parquet files and publishes each of them, with the position it ends
// at, in one atomic step.
//
// # What lies where
//
// `tw2parquet help files` specifies names, footer keys, manifest and rejects for readers and writers. Here is
// what the code needs:
//
//	<root>/<partition>/part-<run>-00000.parquet           data; complete and final once visible
//	<root>/<partition>/part-<run>-00001-r1.parquet        data, written again
//	<root>/_tw2parquet/<run>/manifest.json                written last; its presence means complete
//	<root>/_tw2parquet/<run>/manifest-1.json              a later one; the highest number counts
//	<root>/_tw2parquet/<run>/rejects-00000-<id>.jsonl     why results of file 00000 are not rows, and where …
//	<root>/_tw2parquet/<run>/rejects-00000-<id>.raw       … in here their bytes begin
//	<root>/_delta_log/00000000000000000000.json           the log of a Delta table over the data (sink/table)
//	<root>/_tw2parquet/<run>/request.json, intent-1.json … the journal: small entries, each written once
//
// Where unfinished files wait and how a run is locked is up to the store (sink/store).
//
// Nothing unfinished ends in .parquet or lies in a data directory: engines open whatever a glob finds, hidden
// files and folders that begin with an underscore included, and one torn file fails the whole query.
//
// Data and manifests follow the umask. Everything else in a run's directory is readable for its owner only.
//
// # The footer is the state
//
// Every data file carries in its footer (key-values "tw2parquet.…") the run, its number in the run
// (seq), the stream offsets it lies between (from_offset, to_offset), the ordinals it lies between
// (first_ordinal, next_ordinal), how many results are rows and how many were rejected, the schema's
// version, and length and SHA-256 of everything before the footer (data_bytes, data_sha256); a
// checksum covers the footer itself. So one step, giving the file its name, makes rows and
// position visible together. There is no second record of the position that could be lost, left
// over, or ahead.
//
// The files of a run form a chain: seq counts from 0, each from_offset is the to_offset before,
// each first_ordinal the next_ordinal before, and rows + rejected are next_ordinal - first_ordinal.
// Offsets are opaque and compared for equality only. Clocks play no part in anything here.
//
// # Publication
//
// A file is cut only at a mark, an offset that is known to cover everything before it. Then, with the reasons
// at the code (publish.go; store/upload.go for a disk):
//
//	footer → Seal           complete and durable, and nobody sees it
//	Seal of its rejects     the same
//	Commit of its rejects   a visible file's rejects are there
//	Commit                  whole and durable under its name, which must be free: the commit
//
// An error before the first Commit gives up this file only, and its rows are read again. An error in or after
// it leaves open what is visible; the Output then refuses everything, and the next start sees what is there.
//
// A name that is taken and an answer that was lost are the same question, and looking answers it (settle.go): the very
// same bytes are success; a footer of this run that begins where ours does, but is another, is a file of a start that
// is dead, whose last request arrived late, and is taken into the chain once; any other file of this run is a twin's
// (ErrLocked), and everything else a stranger's (*ForeignError). What is neither there nor refused is tried again for
// a minute.
//
// # Recovery
//
// Open takes the hold of the run, and then:
//
//  1. One listing of the run's directory. A manifest: the run is complete. Names and sizes are compared with it,
//     nothing is written or probed.
//  2. The store prepares its directories and removes what a dead process left unfinished.
//  3. The footers are read, without trusting them (footer.go), and the chain is checked.
//  4. With an exclusive hold: rejects of a file that was never published, and files that a sound revision replaced,
//     are removed. Without one nothing that was published is: its writer may be alive.
//  5. The probe: the store tries out what will be done to data, so that an output that cannot be written is
//     known before anything is bought. Runs that share a store do it once, where once is enough (Config.Probes).
//
// A run that was claimed, so that nothing can be there (Config.Begin), begins with its first record where nobody has an
// exclusive hold. Steps 1 to 4 are left out then, and the probe is made on that record.
//
// A start reads no file of another run. Where nothing is there it takes 10 requests, of which the probe takes 7, and after
// a claim 7, of which the probe takes 6. One of a complete run takes 4. Others take one more for each file of theirs,
// which is the last 64 KiB of it.
//
// Files that are missing or damaged are a *DamageError that names them all; whatever else is out of order (a file
// of a newer version, a stranger at one of our names, two chains) is a *ForeignError. Nothing else is ever repaired,
// overwritten or deleted, unless the caller asks for damaged files to be written again (Config.Refetch, mend.go).
//
// # Two runners
//
// The lock keeps runners of one run apart on one machine, and on network file systems that pass
// flock on. Where they do not, publication still never replaces: the second runner finds the name
// taken and ends with ErrLocked; the files of the first form a chain that either can continue.
//
// An object store has no lock, and there is no lease in its place: a process that is stopped for longer than a lease
// lasts would wake and go on all the same. What a second runner does is refused where it counts, because every name is
// given on condition that it is free:
//
//   - It cannot buy: the claim of the collector and the intent are taken, and what was announced is not sent later than
//     half a minute after that (package source).
//   - It cannot publish: the next number is taken. One such file is taken into its chain, in case its writer is dead;
//     at the second one it ends with ErrLocked. The other one then goes on alone.
//   - It cannot read for long: the API serves one reader of a collector.
//   - It cannot complete: manifest.json is taken. If it lists the same files, the run is complete for both.
//
// So a process that was stopped at any point, for any time, and wakes can at worst fail to publish. It may leave rejects
// that no footer names, and an upload that has not ended.
package sink
