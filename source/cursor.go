package source

// cursor is where a stream stands. Its counts are of results from the run's first on: covered <= count,
// sealed <= handed <= count.
type cursor struct {
	offset  string // where the next read starts; covers the first covered results
	covered int64
	count   int64 // framed so far
	handed  int64 // given to the consumer
	sealed  int64 // of these, with an offset
	past    past  // to know results again
}

func newCursor(offset string, results int64) cursor {
	return cursor{offset: offset, covered: results, count: results, handed: results, sealed: results, past: newPast()}
}

// add takes a result.
func (c *cursor) add(seen uint64) {
	c.past.add(seen, c.count)
	c.count++
}

// cover says that offset covers all results so far.
func (c *cursor) cover(offset string) {
	c.offset, c.covered = offset, c.count
	c.past.cover()
}

// waiting tells whether a batch before b went out without an offset. Then the next control chunk ends b
// however small it is, or sparse ones would seal nothing for ever.
func (c *cursor) waiting(b *Batch) bool { return c.sealed < b.First }

// hand gives b to the consumer.
func (c *cursor) hand(b *Batch) {
	c.handed = b.First + int64(len(b.Chunks))
	if c.handed == c.covered {
		b.Offset, c.sealed = c.offset, c.handed
	}
}

// handLast hands out what of b is covered by an offset, if that is anything: results, or the offset that the
// batch before is waiting for.
func (c *cursor) handLast(b *Batch) (handed bool) {
	b.truncate(int(min(max(c.covered-b.First, 0), int64(len(b.Chunks)))))
	if len(b.Chunks) == 0 && (c.sealed >= c.handed || c.handed != c.covered) {
		return false
	}
	c.hand(b)
	return true
}

// rollback throws away what came after the last offset, in memory; b is nil between reads. Where the
// consumer has some of it already, only ErrRewind helps.
func (c *cursor) rollback(b *Batch) (dropped int64, err error) {
	dropped = c.count - c.covered
	c.past.forget()
	if c.covered < c.handed {
		return dropped, ErrRewind
	}
	if b != nil {
		b.truncate(int(c.covered - b.First))
	}
	c.count = c.covered
	return dropped, nil
}
