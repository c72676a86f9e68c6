package pipeline

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"
	"time"

	"tw2parquet/source"
)

// Standing is how far a run is, as its records say.
type Standing string

// The standings. A run that is being dropped counts as complete until it is gone.
const (
	RunClaimed  Standing = "claimed"  // somebody is about to buy it
	RunBegun    Standing = "begun"    // it is bought, or may be
	RunComplete Standing = "complete" // it has a manifest
	RunDropping Standing = "dropping"
	RunDropped  Standing = "dropped"
	RunVoid     Standing = "void" // nobody may buy it: its time went to somebody else
)

// Holding is a run of one source in an output.
type Holding struct {
	Run         string
	Start, Stop time.Time
	Limit       int
	Generation  int
	Standing    Standing
	Owner       string // of a claim: the request that it is for, as Ask.Owner
	Rows        int64  // of a complete one
	Rejected    int64
	Truncated   bool
	Brief
}

func (h *Holding) overlaps(start, stop time.Time) bool {
	return h.Start.Before(stop) && start.Before(h.Stop)
}

// Piece is a part of a window that is one thing throughout.
type Piece struct {
	Window      int // its index
	Start, Stop time.Time
	// Standing is RunComplete where runs cover the piece, RunBegun where a run has to be finished first, RunClaimed
	// where it was decided earlier, for the same request, to buy a run, and "" for a gap.
	Standing Standing
	Runs     []*Holding // none of a gap, one of those that are begun or claimed
	// Limit and Generation are those of the run that closes a gap.
	Limit      int
	Generation int
}

// Cover holds windows against what an output has of their source. The windows are in order and do not overlap; the
// pieces do not either, and leave nothing of them out. Runs of generations below the windows' are not looked at. A claim
// counts where owns says that it is the asker's own, and where nothing else covers any of it. A gap that was dropped is
// to be bought in the generation after the dropped one, for it alone.
func Cover(windows []source.Request, holdings []*Holding, owns func(*Holding) bool) []Piece {
	if len(windows) == 0 {
		return nil
	}
	least := max(windows[0].Generation, 1)
	var looked []*Holding
	for _, h := range holdings {
		relevant := h.Standing == RunComplete || h.Standing == RunDropping || h.Standing == RunBegun || h.Standing == RunClaimed && owns(h)
		if h.Start.Before(h.Stop) && h.overlaps(windows[0].Start, windows[len(windows)-1].Stop) &&
			(h.Standing == RunDropped || relevant && h.Generation >= least) {
			looked = append(looked, h)
		}
	}
	slices.SortFunc(looked, func(a, b *Holding) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Generation, b.Generation), strings.Compare(a.Run, b.Run))
	})
	for spoiled := map[*Holding]bool{}; ; {
		pieces, clash := sweep(windows, looked, spoiled, least)
		if len(clash) == 0 {
			return pieces
		}
		for _, h := range clash {
			spoiled[h] = true
		}
	}
}

// sweep goes over the windows once. clash are the claims that cannot be kept.
func sweep(windows []source.Request, looked []*Holding, spoiled map[*Holding]bool, least int) (pieces []Piece, clash []*Holding) {
	var ends []time.Time
	for _, w := range windows {
		ends = append(ends, w.Start, w.Stop)
	}
	for _, h := range looked {
		ends = append(ends, h.Start, h.Stop)
	}
	slices.SortFunc(ends, time.Time.Compare)
	ends = slices.CompactFunc(ends, time.Time.Equal)
	var active []*Holding
	window := 0
	for i, from := range ends[:len(ends)-1] {
		for len(looked) > 0 && !looked[0].Start.After(from) {
			active, looked = append(active, looked[0]), looked[1:]
		}
		active = slices.DeleteFunc(active, func(h *Holding) bool { return !h.Stop.After(from) })
		for window < len(windows) && !windows[window].Stop.After(from) {
			window++
		}
		if window == len(windows) || from.Before(windows[window].Start) {
			continue
		}
		p, lost := judge(active, spoiled, least)
		clash = append(clash, lost...)
		p.Window, p.Start, p.Stop = window, from, ends[i+1]
		p.Limit = windows[window].Limit
		if last := len(pieces) - 1; last >= 0 && pieces[last].continues(p) {
			pieces[last].Stop = p.Stop
			for _, h := range p.Runs {
				if !slices.Contains(pieces[last].Runs, h) {
					pieces[last].Runs = append(pieces[last].Runs, h)
				}
			}
			continue
		}
		pieces = append(pieces, p)
	}
	return pieces, clash
}

// judge is what the runs that are active at an instant make of it.
func judge(active []*Holding, spoiled map[*Holding]bool, least int) (p Piece, clash []*Holding) {
	var begun, claims []*Holding
	p.Generation = least
	for _, h := range active {
		switch h.Standing {
		case RunComplete, RunDropping:
			p.Runs = append(p.Runs, h)
		case RunBegun:
			begun = append(begun, h)
		case RunClaimed:
			if !spoiled[h] {
				claims = append(claims, h)
			}
		case RunDropped:
			p.Generation = max(p.Generation, h.Generation+1)
		}
	}
	switch {
	case len(p.Runs) > 0:
		p.Standing, clash = RunComplete, claims
	case len(begun) > 0:
		p.Standing, p.Runs, clash = RunBegun, begun[:1], claims
	case len(claims) > 0:
		p.Standing, p.Runs, clash = RunClaimed, claims[:1], claims[1:]
	}
	if len(claims) > 0 && claims[0].Generation < p.Generation { // something of it was dropped since
		clash = claims
	}
	return p, clash
}

// continues tells whether next is more of the same.
func (p *Piece) continues(next Piece) bool {
	if p.Window != next.Window || p.Standing != next.Standing || !p.Stop.Equal(next.Start) {
		return false
	}
	switch p.Standing {
	case RunComplete:
		return true
	case "":
		return p.Generation == next.Generation
	}
	return p.Runs[0] == next.Runs[0]
}

// Source is what decides which documents a request may bring: everything but its time, limit and generation, in the one
// form that equal requests have.
func (a Asked) Source() Asked {
	a.Host = strings.ToLower(a.Host)
	a.Topics, a.Datasets = distinct(a.Topics), distinct(a.Datasets)
	a.Limit, a.Generation = 0, 0
	return a
}

// SourceID names a source, in the form of a run's id.
func (a Asked) SourceID() string {
	s := a.Source()
	text := fmt.Sprintf("tw2parquet-source-1\n%q\n%q\n%q\n%q\n%q\n%q\n%q", s.Host, s.Kind, s.Project, s.Stream, s.Topics, s.Datasets, s.Query)
	sum := sha256.Sum256([]byte(text))
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:]))[:26]
}
