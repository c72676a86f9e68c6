package sink

import "fmt"

// rejection is one line of rejects-<seq>.jsonl. Its bytes are Length bytes from Offset on of
// rejects-<seq>.raw, as they came: they may be anything, so they are not put into JSON.
type rejection struct {
	Ordinal  int64  `json:"ordinal"`  // place in the run, counted over rows and rejects
	Position int64  `json:"position"` // byte position in the read it came from
	Reason   string `json:"reason"`
	Offset   int64  `json:"offset"`
	Length   int    `json:"length"`
}

// rejectFiles are the results of the open file that are no documents.
type rejectFiles struct {
	index, raw *stagedFile
}

func (o *Output) createRejects() (*rejectFiles, error) {
	index, err := o.staging.create("rejects", privateMode)
	if err != nil {
		return nil, err
	}
	raw, err := o.staging.create("rejects", privateMode)
	if err != nil {
		index.discard()
		return nil, err
	}
	return &rejectFiles{index: index, raw: raw}, nil
}

func (r *rejectFiles) add(x rejection, raw []byte) error {
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

func (r *rejectFiles) seal() error {
	if err := r.raw.seal(); err != nil {
		return err
	}
	return r.index.seal()
}

func (r *rejectFiles) discard() {
	r.index.discard()
	r.raw.discard()
}

// Reject keeps a result that is no readable document, with the reason, its ordinal in the run and
// its byte position in the read. raw is only borrowed. It is called in stream order with the
// functions that append row groups.
func (o *Output) Reject(ordinal, position int64, reason string, raw []byte) error {
	if err := o.usable(); err != nil {
		return err
	}
	if o.open.rejects == nil {
		r, err := o.createRejects()
		if err != nil {
			return o.giveUp(err)
		}
		o.open.rejects = r
	}
	if err := o.open.rejects.add(rejection{Ordinal: ordinal, Position: position, Reason: reason}, raw); err != nil {
		return o.giveUp(err)
	}
	o.open.rejected++
	return nil
}
