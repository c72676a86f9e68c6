package report

import "sync"

// counter adds up what several goroutines are done with.
type counter struct {
	mu   sync.Mutex
	done int64
	tell func(done, total int64)
}

func newCounter(tell func(done, total int64)) *counter { return &counter{tell: tell} }

func (c *counter) add(n, total int64) {
	if c.tell == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done += n
	c.tell(c.done, total)
}
