package jpeg

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// FuzzDecode shows that whatever the bytes are, they give an image of the size in their head or an error.
func FuzzDecode(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.jpg")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		size, err := DecodeConfig(bytes.NewReader(data))
		if err != nil || size.Width*size.Height > 1<<16 {
			return
		}
		img, err := Decode(bytes.NewReader(data))
		if err == nil && (img.Bounds().Dx() != size.Width || img.Bounds().Dy() != size.Height) {
			t.Errorf("%v, and the head says %d × %d", img.Bounds(), size.Width, size.Height)
		}
	})
}

// TestTruncated cuts files at every byte.
func TestTruncated(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.jpg")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for n := range data {
			if _, err := Decode(bytes.NewReader(data[:n])); err == nil {
				t.Errorf("%s: the first %d of %d bytes give an image", file, n, len(data))
			}
		}
	}
}

// TestCorrupt changes a few bytes, which reaches what fuzzing from scratch does not.
func TestCorrupt(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.jpg")
	r := rand.New(rand.NewPCG(1, 2))
	images := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			bad := bytes.Clone(data)
			for range 1 + r.IntN(3) {
				bad[r.IntN(len(bad))] = byte(r.Uint32())
			}
			if size, err := DecodeConfig(bytes.NewReader(bad)); err != nil || size.Width*size.Height > 1<<20 {
				continue
			}
			if _, err := Decode(bytes.NewReader(bad)); err == nil {
				images++
			}
		}
	}
	if images == 0 {
		t.Error("no change leaves an image: the test does not reach what it is for")
	}
}
