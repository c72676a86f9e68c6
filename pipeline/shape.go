package pipeline

import (
	"context"
	"fmt"

	"tw2parquet/source"
)

// shape decides what gaps are bought as: where they are cut, and with which limits. What it decides is in the claims before
// anything is bought, so that a retry finds pieces that are claimed, and nothing to shape.
func (c *Claims) shape(ctx context.Context, v *view, pieces []Piece) ([]Piece, error) {
	if c.Cut != nil {
		var err error
		if pieces, err = c.cut(ctx, pieces); err != nil {
			return nil, err
		}
		if err := c.name(ctx, v, pieces); err != nil {
			return nil, err
		}
	}
	if c.Lower == nil || !hasGap(pieces) {
		return pieces, nil
	}
	if err := c.Lower(ctx, pieces); err != nil {
		return nil, err
	}
	return pieces, c.name(ctx, v, pieces)
}

func hasGap(pieces []Piece) bool {
	for _, p := range pieces {
		if p.Standing == "" {
			return true
		}
	}
	return false
}

// cut puts the windows that gaps are cut into in their places.
func (c *Claims) cut(ctx context.Context, pieces []Piece) (out []Piece, err error) {
	for _, p := range pieces {
		if p.Standing != "" {
			out = append(out, p)
			continue
		}
		windows, err := c.Cut(ctx, c.Ask.gap(p))
		if err != nil {
			return nil, err
		}
		at := p.Start
		for _, w := range windows {
			if !w.Start.Equal(at) || !w.Start.Before(w.Stop) {
				break
			}
			part := p
			part.Start, part.Stop, at = w.Start, w.Stop, w.Stop
			out = append(out, part)
		}
		if !at.Equal(p.Stop) {
			return nil, fmt.Errorf("cut %s to %s: the windows leave out a part, or overlap", PartitionName(p.Start), PartitionName(p.Stop))
		}
	}
	return out, nil
}

// gap is the request that closes a gap.
func (a Ask) gap(p Piece) source.Request {
	r := a.Range
	r.Start, r.Stop, r.Limit, r.Generation = p.Start, p.Stop, p.Limit, p.Generation
	return r
}

// name finds for each gap a generation whose run can be bought. Where another request has claimed the very same run, that
// claim is the piece's.
func (c *Claims) name(ctx context.Context, v *view, pieces []Piece) error {
	for i := range pieces {
		for p := &pieces[i]; p.Standing == ""; p.Generation++ {
			run := c.Ask.window(c.Ask.gap(*p)).Run
			if h := v.holdings[run]; h != nil && h.Standing == RunClaimed {
				p.Standing, p.Runs = RunClaimed, []*Holding{h}
				break
			}
			gone, err := c.gone(ctx, v, run)
			if err != nil {
				return err
			}
			if !gone {
				break
			}
		}
	}
	return nil
}
