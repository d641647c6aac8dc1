package emily

import (
	"container/list"
	"errors"
	"slices"
	"sync"
)

// maxSpecialised is how many programs made for values of inputs an executable keeps.
const maxSpecialised = 16

type cacheKey [32]byte

// specialised is a cache of programs by the values they were compiled for; the one used longest ago goes first.
// The zero value is empty.
type specialised struct {
	mu    sync.Mutex
	order list.List // of *entry, most recent first
	byKey map[cacheKey]*list.Element
	inKey []bool // the inputs whose values programs have depended on so far
}

// entry is a program, or the error that compiling it gave.
type entry struct {
	program
	bound []bool // the inputs that are constants in it
	key   cacheKey
	once  sync.Once
	err   error
	users int
	gone  bool // no longer in the cache: the last user closes it
}

// find returns the entry of key, made by make where there is none; others that want it wait. The caller calls done
// after use. Errors are not kept.
func (s *specialised) find(key cacheKey, make func() (program, []bool, error)) (e *entry, done func(), err error) {
	e = s.enter(key)
	done = func() { s.leave(e) }
	e.once.Do(func() { e.program, e.bound, e.err = make() })
	if e.err != nil {
		s.remove(e)
		done()
		return nil, nil, e.err
	}
	return e, done, nil
}

// keyed are the inputs whose values make the key.
func (s *specialised) keyed(inputs int) []bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inKey == nil {
		s.inKey = make([]bool, inputs)
	}
	return slices.Clone(s.inKey)
}

// widen reports whether e depends on inputs that are not keyed. From then on they are, and e is found no more.
func (s *specialised) widen(e *entry, keyed []bool) bool {
	wider := false
	for i, b := range e.bound {
		wider = wider || b && !keyed[i]
	}
	if !wider {
		return false
	}
	s.remove(e)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, b := range e.bound {
		s.inKey[i] = s.inKey[i] || b
	}
	return true
}

func (s *specialised) enter(key cacheKey) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.byKey[key]; ok {
		s.order.MoveToFront(at)
		e := at.Value.(*entry)
		e.users++
		return e
	}
	e := &entry{key: key, users: 1}
	if s.byKey == nil {
		s.byKey = map[cacheKey]*list.Element{}
	}
	s.byKey[key] = s.order.PushFront(e)
	if s.order.Len() > maxSpecialised {
		s.drop(s.order.Back())
	}
	return e
}

func (s *specialised) leave(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.users--; e.users == 0 && e.gone {
		_ = e.free()
	}
}

func (s *specialised) remove(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.byKey[e.key]; at != nil && at.Value == e {
		s.drop(at)
	}
}

// drop takes an entry out of the cache and closes it when nobody uses it.
func (s *specialised) drop(at *list.Element) error {
	e := s.order.Remove(at).(*entry)
	delete(s.byKey, e.key)
	e.gone = true
	if e.users == 0 {
		return e.free()
	}
	return nil
}

func (e *entry) free() error {
	if e.program == nil {
		return nil
	}
	return e.program.close()
}

// close frees all programs; none may be in use.
func (s *specialised) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for s.order.Len() > 0 {
		errs = append(errs, s.drop(s.order.Back()))
	}
	return errors.Join(errs...)
}
