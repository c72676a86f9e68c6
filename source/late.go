package source

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
)

// A request that must not leave too late is held against the clock where its bytes are about to leave: a process that
// was stopped anywhere before, for however long, then sends nothing. Between this look and the system call there is
// only chance.

// departure is when one request may leave, and what became of it.
type departure struct {
	late      func() bool
	passed    atomic.Bool // something was kept here
	connected atomic.Bool // what is written from now on is the request
	wrote     atomic.Bool // some of it left
}

type departureKey struct{}

var errLate = errors.New("this process was held up before the request could leave, so it was not sent")

func (d *departure) over() bool {
	late := d.late != nil && d.late()
	if late {
		d.passed.Store(true)
	}
	return late
}

// error is what a request gets that was not sent.
func (d *departure) error(op string) *Error {
	return &Error{Class: ClassUnavailable, Op: op, Message: errLate.Error(), Retryable: true, retry: retryBackoff}
}

// punctual has a connection, which is for one request only, keep what comes too late.
func punctual(ctx context.Context) func(net.Conn, error) (net.Conn, error) {
	return func(c net.Conn, err error) (net.Conn, error) {
		d, ok := ctx.Value(departureKey{}).(*departure)
		if err != nil || !ok {
			return c, err
		}
		return &punctualConn{c, d}, nil
	}
}

type punctualConn struct {
	net.Conn
	departure *departure
}

func (c *punctualConn) Write(b []byte) (int, error) {
	if c.departure.over() {
		return 0, errLate
	}
	if c.departure.connected.Load() {
		c.departure.wrote.Store(true)
	}
	return c.Conn.Write(b)
}
