package source

import (
	"net/http"
	"time"
)

// clockTolerance is how much clocks may differ without anybody being told.
const clockTolerance = time.Minute

// plausible is older than the API that is called: a server that shows an earlier date has a clock that was
// never set.
var plausible = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// serverNow is the time by the server's Date header, which decides about retention and settling; the
// local clock only measures what has passed since. Before the first answer it is the local time.
func (c *Client) serverNow() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock.Now()
	if c.date.IsZero() {
		return now
	}
	return c.date.Add(now.Sub(c.dateSeen))
}

// Skew is how far the local clock is ahead of the server's, to a second or so, by the last answer; ok is false if no
// answer told.
func (c *Client) Skew() (skew time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dateSeen.Sub(c.date), !c.date.IsZero()
}

// noteDate keeps the server's date, and tells once of one that differs from ours or cannot be right.
func (c *Client) noteDate(h http.Header) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if date.Before(plausible) {
		if !c.unset {
			c.unset = true
			c.log.Warn("the server's clock cannot be right; using the local clock", "date", date.UTC().Format(time.RFC3339))
		}
		return
	}
	c.date, c.dateSeen = date, c.clock.Now()
	if skew := c.dateSeen.Sub(date); !c.skewed && skew.Abs() > clockTolerance {
		c.skewed = true
		c.log.Warn("the local clock differs from the server's; using the server's", "skew", skew.Round(time.Second))
	}
}
