package extract

import "testing"

func TestRecycler(t *testing.T) {
	t.Parallel()
	var r recycler
	first := r.Allocate(100)
	r.Free(first)
	again := r.Allocate(60)
	if len(again) != 60 || &again[0] != &first[0] {
		t.Errorf("after a batch was given back: got %d bytes elsewhere, want its first 60", len(again))
	}
	if other := r.Allocate(60); &other[0] == &again[0] {
		t.Error("two batches have the same memory")
	}
	again[0] = 7
	grown := r.Reallocate(1000, again)
	if len(grown) != 1000 || grown[0] != 7 {
		t.Errorf("grown: got %d bytes that begin with %d, want 1000 and 7", len(grown), grown[0])
	}
	if small := r.Allocate(1); &small[0] != &first[0] {
		t.Error("what a batch grew out of was not given back")
	}
}
