package sink

import (
	"context"
	"errors"
	"fmt"

	"tw2parquet/sink/store"
)

// Rejection is one line of the index of a file's rejects. Its bytes are Length bytes from Offset on of
// the file beside it, as they came: they may be anything, so they are not put into JSON.
type Rejection struct {
	Ordinal  int64  `json:"ordinal"`  // place in the run, counted over rows and rejects
	Position int64  `json:"position"` // byte position in the read it came from
	Reason   string `json:"reason"`
	Offset   int64  `json:"offset"`
	Length   int    `json:"length"`
}

// openRejects are the results of the open file that are not documents.
type openRejects struct {
	stem       string
	index, raw *upload
}

func (o *Output) createRejects(ctx context.Context) (*openRejects, error) {
	r := &openRejects{stem: rejectsStem(len(o.files), randomID())}
	indexName, rawName := o.layout.rejects(r.stem)
	index, err := o.hold.Create(ctx, indexName, store.Private)
	if err != nil {
		return nil, err
	}
	raw, err := o.hold.Create(ctx, rawName, store.Private)
	if err != nil {
		index.Discard()
		return nil, err
	}
	r.index, r.raw = newUpload(index), newUpload(raw)
	return r, nil
}

func (r *openRejects) add(x Rejection, raw []byte) error {
	x.Offset, x.Length = r.raw.size, len(raw)
	line, err := jsonText(x, "")
	if err != nil {
		return fmt.Errorf("encode a rejection: %w", err)
	}
	if _, err := r.raw.Write(raw); err != nil {
		return err
	}
	_, err = r.index.Write(line)
	return err
}

func (r *openRejects) seal(ctx context.Context) error {
	return errors.Join(r.raw.Seal(ctx), r.index.Seal(ctx))
}

func (r *openRejects) discard() {
	r.index.Discard()
	r.raw.Discard()
}

// Reject keeps a result that is not a readable document, with the reason, its ordinal in the run and
// its byte position in the read. raw is only borrowed. It is called in stream order with the
// functions that append records.
func (o *Output) Reject(ctx context.Context, ordinal, position int64, reason string, raw []byte) error {
	if err := o.usable(); err != nil {
		return err
	}
	if o.open.rejects == nil {
		r, err := o.createRejects(ctx)
		if err != nil {
			return o.giveUp(err)
		}
		o.open.rejects = r
	}
	if err := o.open.rejects.add(Rejection{Ordinal: ordinal, Position: position, Reason: reason}, raw); err != nil {
		return o.giveUp(err)
	}
	o.open.rejected++
	return nil
}
