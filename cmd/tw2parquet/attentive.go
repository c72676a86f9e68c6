package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"sync"

	"tw2parquet/sink/store"
)

// attentive is a store that remembers its first failure. What reads an output says of a file that it cannot be read,
// which on a disk is what is wrong with the file. An object store that does not answer says nothing about its files.
type attentive struct {
	store.Store
	mu  sync.Mutex
	err error
}

func (s *attentive) note(err error) error {
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.Canceled) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = cmp.Or(s.err, err)
	return err
}

// ReadAt is that of the store.
func (s *attentive) ReadAt(ctx context.Context, name string, p []byte, off int64) error {
	return s.note(s.Store.ReadAt(ctx, name, p, off))
}

// List is that of the store.
func (s *attentive) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		for e, err := range s.Store.List(ctx, prefix) {
			if !yield(e, s.note(err)) {
				return
			}
		}
	}
}

func (s *attentive) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// heardOf is the first failure of several stores.
func heardOf(all []*attentive) error {
	for _, s := range all {
		if err := s.failure(); err != nil {
			return err
		}
	}
	return nil
}
