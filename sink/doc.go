// Package sink writes rotating Parquet files and publishes each of them, with the position it ends
// at, in one atomic step.
//
// # What lies where
//
//	<root>/<partition>/part-<run>-00000.parquet    data; complete and final once visible
//	<root>/_tw2parquet/<run>/manifest.json         written last; its presence means complete
//	<root>/_tw2parquet/<run>/rejects-00000.jsonl   why results of file 00000 are no rows, and where …
//	<root>/_tw2parquet/<run>/rejects-00000.raw     … in here their bytes begin
//	<root>/_tw2parquet/<run>/intent-1 …            the journal: small entries, each written once
//	<root>/_tw2parquet/<run>/lock                  held (flock) by whoever works on the run
//	<root>/_tw2parquet/<run>/staging/*.part        what nobody may see yet
//	<root>/_tw2parquet/<run>/damaged/*             damaged files, until new ones have taken their places
//
// Nothing that is not finished ends in .parquet or lies in a data directory: engines open whatever a
// glob finds, hidden files and folders that begin with an underscore included, and one torn file
// fails the whole query.
//
// Data and the manifest follow the umask, and so do the directories on the way to them. Everything else
// in a run's directory is readable for its owner only.
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
// A file is cut only at a mark, an offset that is known to cover everything before it. Then, with
// the reasons at the code (staged.go, publish.go, local.go):
//
//	footer → size check → read-only → fsync(file) → close          the staged file is whole and durable
//	the same for its rejects, which get their names first          a visible file's rejects are there
//	link to the final name, which fails if that is taken           the commit
//	fsync(directory)                                               the commit is durable
//	unlink the staged name → fsync(staging)                        tidying; failing here fails nothing
//
// Where a file system has no links, rename without replacing takes their place; the preflight finds
// out, and refuses a file system that offers neither. A failed fsync is final for its file: it is
// given up and its rows are read again, because a second fsync may claim success for bytes that the
// kernel has dropped. An error in or after the commit leaves open whether the name is durable; the
// Output then refuses everything, and the next start sees what is there.
//
// # Recovery
//
// Open takes the lock, and then:
//
//  1. A manifest: the run is complete. Names and sizes are compared with it, nothing is written.
//  2. Directories are created and synced, those that were there too: their names, and the names in
//     them, may be as old as the last start and not durable yet.
//  3. Staged files of this run are removed. The lock says that nobody is writing them.
//  4. The footers are read, without trusting them (footer.go), and the chain is checked.
//  5. Rejects of a file that was never published are removed.
//  6. The preflight: a probe is written, synced, published beside the data, and must not be
//     publishable a second time. So a disk that cannot be written is known before anything is bought.
//
// Files that are missing or damaged are a *DamageError that names them all; whatever else is out of
// order (a file of a newer version, a stranger at one of our names, two chains) is a *ForeignError.
// Nothing is ever repaired, overwritten or deleted but our own staging and the rejects in 5, unless the
// caller asks for damaged files to be written again (Config.Refetch, mend.go).
//
// # Two runners
//
// The lock keeps runners of one run apart on one machine, and on network file systems that pass
// flock on. Where they do not, publication still never replaces: the second runner finds the name
// taken and ends with ErrLocked; the files of the first form a chain that either can continue.
package sink
