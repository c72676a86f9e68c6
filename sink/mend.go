package sink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"tw2parquet/sink/store"
)

// Mending: files of a run that are missing or damaged are written again from the same results, between
// the same offsets, under names of their own, while the sound ones stay as they are. It is only done
// with Config.Refetch:
//
//	Open     finds the damage and touches nothing
//	Mend     begins, once the caller knows that the results can still be had
//	Gap      is the next hole in the chain; what is appended now goes there, and Finish closes it
//	Complete as ever: a new manifest, where there was one, with the next number
//
// Nothing is replaced or renamed. A damaged file is removed as soon as the new one is there, because
// readers would see both; if a table may name it, it stays until the table names the new one (Replaced, Retire).
// A process that dies on the way leaves a chain with fewer holes: the next start
// finds the new files by their higher revision, also where the manifest still speaks of the old ones.

// mending is what an Output knows while files have to be written again.
type mending struct {
	damage   []*ForeignError // what is wrong, until Mend
	holes    []hole
	later    []File    // sound files behind the first hole
	previous *previous // of a run that was complete
}

// previous is the manifest that a new one is to replace.
type previous struct {
	manifest *Manifest
	number   int
}

// hole is a place in the chain whose files are to be written again: count of them, from number seq on.
type hole struct {
	seq, count int
	to         string // offset and ordinal at which the next sound file begins, or the run ended
	next       int64
}

func (h hole) end() int { return h.seq + h.count }

// Gap is where the chain of published files goes on behind a hole. What is missing lies between
// Position and here.
type Gap struct {
	Offset string
	Next   int64
}

// Gap is the next hole to be filled; ok is false when there is none.
func (o *Output) Gap() (g Gap, ok bool) {
	if !o.mend.holey() {
		return Gap{}, false
	}
	return Gap{Offset: o.mend.holes[0].to, Next: o.mend.holes[0].next}, true
}

func (m *mending) holey() bool { return m != nil && len(m.holes) > 0 }

// lastSlot tells whether file number seq has to take all that is missing up to the end of the hole.
func (m *mending) lastSlot(seq int) bool { return m.holey() && seq+1 == m.holes[0].end() }

// Damage names the files to be written again, a *DamageError; nil if there are none, or Mend was called.
func (o *Output) Damage() error {
	if o.mend == nil || len(o.mend.damage) == 0 {
		return nil
	}
	return &DamageError{Files: slices.Clone(o.mend.damage)}
}

// Mend begins to write damaged files again. From here on the chain has holes, which Gap tells.
func (o *Output) Mend() error {
	if o.closed {
		return fs.ErrClosed
	}
	if o.mend != nil {
		o.mend.damage = nil
	}
	return nil
}

// arrange turns the chain into the sound files before the first hole, the holes, and the sound files
// behind. was is the manifest of a run that was complete: it knows where each file ended. Without it,
// holes side by side are one, and nobody knows of files behind the last sound one: the run goes on there.
func (o *Output) arrange(f *finding, was *previous) {
	m := &mending{damage: f.damage, previous: was}
	for seq, s := range f.chain {
		n := len(m.holes)
		adjacent := n > 0 && m.holes[n-1].end() == seq
		switch {
		case !s.sound && was != nil:
			old := &was.manifest.Files[seq]
			m.holes = append(m.holes, hole{seq: seq, count: 1, to: old.ToOffset, next: old.NextOrdinal})
		case !s.sound && adjacent:
			m.holes[n-1].count++
		case !s.sound:
			m.holes = append(m.holes, hole{seq: seq, count: 1})
		case n == 0:
			o.files = append(o.files, s.file)
		default:
			if adjacent {
				m.holes[n-1].to, m.holes[n-1].next = s.file.FromOffset, s.file.FirstOrdinal
			}
			m.later = append(m.later, s.file)
		}
	}
	if n := len(m.holes); was == nil && n > 0 && m.holes[n-1].end() == len(f.chain) {
		m.holes = m.holes[:n-1]
	}
	o.rejects = f.rejects
	if len(f.damage) > 0 || was != nil {
		o.mend = m
	}
}

// fill closes the first hole at p, which must be where the chain goes on. Files of the hole that were
// not needed become files without rows: the numbers behind it are taken.
func (o *Output) fill(ctx context.Context, p mark) error {
	m := o.mend
	h := m.holes[0]
	if p.next != h.next || p.next > 0 && p.offset != h.to {
		return fmt.Errorf("%w: the hole ends at result %d, not %d, or at another offset", ErrMisuse, h.next, p.next)
	}
	p.offset = h.to
	for len(o.files) < h.end() {
		if err := o.publish(ctx, p); err != nil {
			return err
		}
		p.notes = nil // they were about the rows of the first
	}
	m.holes = m.holes[1:]
	for len(m.later) > 0 && m.later[0].Seq == len(o.files) {
		o.files = append(o.files, m.later[0])
		m.later = m.later[1:]
	}
	return nil
}

// adopt takes over the files that an earlier start wrote again and died before its manifest: newer than
// the damaged ones, sound, and with the same place in the chain. It changes m and f, and tells
// whether it did.
func (rc *recovery) adopt(ctx context.Context, m *Manifest, f *finding, parts map[int][]part, rejects map[string]store.Entry) (adopted bool, err error) {
	for seq, s := range f.chain {
		if s.sound {
			continue
		}
		p := parts[seq]
		if len(p) == 0 || p[0].Name == s.file.Name {
			continue
		}
		file, own, err := rc.readWhole(ctx, seq, p[0], rejects)
		if why := (*ForeignError)(nil); errors.As(err, &why) && why.damaged {
			continue
		}
		if err != nil {
			return false, err
		}
		old := &m.Files[seq]
		if file.FromOffset != old.FromOffset || file.ToOffset != old.ToOffset || file.FirstOrdinal != old.FirstOrdinal || file.NextOrdinal != old.NextOrdinal {
			return false, rc.foreign(file.Name, "it lies between other offsets than the file it would replace")
		}
		*old, f.chain[seq] = file, slot{file: file, sound: true}
		f.rejects = append(f.rejects, own...)
		f.damage = slices.DeleteFunc(f.damage, func(e *ForeignError) bool { return e.seq == seq })
		rc.stale.keep(seq, file.Name)
		adopted = true
	}
	return adopted, nil
}
