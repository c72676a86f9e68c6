package sink

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"path"
	"slices"

	"tw2parquet/sink/store"
)

// stale are files of the run that others have replaced, or will: damaged ones, and lower revisions.
type stale struct {
	names   map[int][]string // by the number of the data file
	highest map[int]int      // revision that is taken
}

// saw notes that a revision is taken, even if its file is gone: no name is used twice.
func (s *stale) saw(seq, revision int) {
	if s.highest == nil {
		s.highest = map[int]int{}
	}
	s.highest[seq] = max(s.highest[seq], revision)
}

// next is the revision that file number seq gets when it is written.
func (s *stale) next(seq int) int {
	if taken, ok := s.highest[seq]; ok {
		return taken + 1
	}
	return 0
}

func (s *stale) add(seq int, name string) {
	if s.names == nil {
		s.names = map[int][]string{}
	}
	if !slices.Contains(s.names[seq], name) {
		s.names[seq] = append(s.names[seq], name)
	}
}

// keep says that a name has turned out to be the one that counts.
func (s *stale) keep(seq int, name string) {
	if s.names == nil {
		return
	}
	s.names[seq] = slices.DeleteFunc(s.names[seq], func(n string) bool { return n == name })
}

// take returns the names of one number, once.
func (s *stale) take(seq int) []string {
	names := s.names[seq]
	delete(s.names, seq)
	return names
}

// takeAll returns all names, once.
func (s *stale) takeAll() []string {
	var all []string
	for seq := range s.names {
		all = append(all, s.take(seq)...)
	}
	slices.Sort(all)
	return all
}

// removeStale deletes files that others have replaced. Its failure is not an error: the next
// start tries again.
func (o *Output) removeStale(ctx context.Context, names []string) {
	for _, name := range names {
		if err := o.hold.Remove(ctx, name); err != nil {
			o.log.Warn("a file that was replaced could not be deleted; the next start tries again", "file", o.store.Path(name), "error", store.Cause(err))
		}
	}
}

// Replaced tells that a table may name files that others have replaced: the run is complete, was registered, and has files that
// were written again. Whoever knows the table tells it, and calls Retire.
func (o *Output) Replaced() bool {
	return o.tabled && o.manifest != nil && slices.ContainsFunc(o.files, func(f File) bool {
		_, revision, _ := o.layout.partOf(path.Base(f.Name))
		return revision > 0
	})
}

// Retire deletes the files that others have replaced, and rejects that belong to none. It is done by itself where no table
// may name them. Call it on a complete run.
func (o *Output) Retire(ctx context.Context) {
	o.removeStale(ctx, o.stale.takeAll())
	o.sweepRejects(ctx)
}

// sweepRejects deletes rejects that belong to no file: theirs was never published, or was replaced.
func (o *Output) sweepRejects(ctx context.Context) {
	if !o.hold.Exclusive() {
		return // whoever wrote them may be about to publish their file
	}
	d, err := o.listDir(ctx)
	if err != nil {
		o.log.Warn("cannot look for rejects that belong to no file; the next start tries again", "error", err)
		return
	}
	for _, r := range o.rejects {
		delete(d.rejects, r.Name)
	}
	o.removeStale(ctx, slices.Sorted(maps.Keys(d.rejects)))
}

// clearUnfinished removes what dead processes of a run left unfinished. Where it may not look for that, it says so and
// goes on.
func clearUnfinished(ctx context.Context, hold store.Hold, log *slog.Logger, prefixes ...string) (removed int, err error) {
	removed, err = hold.Clear(ctx, prefixes...)
	if errors.Is(err, store.ErrUnswept) {
		log.Warn(store.ErrUnswept.Error(), "error", err)
		return removed, nil
	}
	return removed, err
}

// partName is the name that data file number seq gets when it is written.
func (o *Output) partName(seq int) string { return o.layout.part(seq, o.stale.next(seq)) }
