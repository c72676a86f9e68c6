package source

import "hash/maphash"

const (
	// replayed is how many results before an offset are remembered, to be known should they come again.
	replayed = 1024
	// replayedHead is how many results in a row must be the run's first for a read to count as one that
	// began at the beginning.
	replayedHead = 3
	// printed is how much of each end of a result is looked at to know it again.
	printed = 512
)

// past knows the results around an offset again. A server that takes the offset for the last result
// delivered, and not for the next one, or that goes back to where it last saved its place, sends some of
// them twice; nothing in the chunks tells.
type past struct {
	seed  maphash.Seed
	first []uint64 // of the run, if it was seen
	kept  []uint64 // the last ones that an offset covers
	since []uint64 // the last ones behind it
	off   bool     // results are like earlier ones without being those: not looked for any more
}

func newPast() past { return past{seed: maphash.MakeSeed()} }

// fingerprint tells results apart by their lengths and ends, where addresses, ids and times are.
func (p *past) fingerprint(text []byte) uint64 {
	n := len(text)
	head, tail := maphash.Bytes(p.seed, text[:min(n, printed)]), maphash.Bytes(p.seed, text[max(0, n-printed):])
	return head + 3*tail + uint64(n)
}

// add takes a result that is new.
func (p *past) add(seen uint64, ordinal int64) {
	if int64(len(p.first)) == ordinal && ordinal < replayedHead {
		p.first = append(p.first, seen)
	}
	if p.since = append(p.since, seen); len(p.since) == 2*replayed {
		p.since = append(p.since[:0], p.since[replayed:]...)
	}
}

// cover says that an offset covers all that was added.
func (p *past) cover() {
	p.kept = append(p.kept, p.since...)
	if extra := len(p.kept) - replayed; extra > 0 {
		p.kept = append(p.kept[:0], p.kept[extra:]...)
	}
	p.since = p.since[:0]
}

// forget says that what came behind the last offset was thrown away.
func (p *past) forget() { p.since = p.since[:0] }

// verdict is what a result is, seen from what came before its read.
type verdict int

const (
	fresh     verdict = iota
	again             // sent before
	misjudged         // it and those before it in this read looked as if they had been sent before, and were not
	restarted         // the read began at the run's first result
)

// replay follows one read's results as long as they may be old ones.
type replay struct {
	past *past
	n    int   // results of this read so far
	at   int   // index in kept of the next one expected, -1 when none is
	head int   // of the run's first results, how many came in a row
	old  int64 // results that came again
}

// judge looks at the next result of a read.
func (r *replay) judge(seen uint64) verdict {
	p := r.past
	if r.n == 0 && !p.off {
		r.at = -1
		for i, known := range p.kept {
			if known == seen {
				r.at = i
				break
			}
		}
	}
	n := r.n
	r.n++
	if !p.off && r.at >= 0 {
		if p.kept[r.at] != seen {
			p.off = true
			return misjudged
		}
		r.old++
		if r.at++; r.at == len(p.kept) {
			r.at = -1
		}
		return again
	}
	if r.head == n && n < len(p.first) && p.first[n] == seen && len(p.kept) > 0 {
		if r.head++; r.head == replayedHead {
			return restarted
		}
	}
	return fresh
}

// undecided says whether the last result may still turn out to be an old one: an offset that comes now
// is one from before.
func (r *replay) undecided() bool { return r.n > 0 && (r.at >= 0 || r.head == r.n) }
