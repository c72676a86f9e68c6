package object

import "tw2parquet/sink/store"

// Shrink makes parts small, so that tests have many.
func Shrink(s store.Store, part int) {
	o := s.(*objects)
	o.parts = newBuffers(part, cap(o.parts.sending))
}
