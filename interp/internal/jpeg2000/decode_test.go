package jpeg2000

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAgainstOpenJPEG compares every pixel with Pillow's.
func TestAgainstOpenJPEG(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.jp2")
	if len(files) == 0 {
		t.Fatal("no images")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Decode(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			compare(t, got, strings.TrimSuffix(file, ".jp2")+".png")
		})
	}
}

func compare(t *testing.T, got image.Image, golden string) {
	t.Helper()
	data, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	want, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if got.Bounds() != want.Bounds() {
		t.Fatalf("got %v, want %v", got.Bounds(), want.Bounds())
	}
	differ := 0
	for y := range got.Bounds().Dy() {
		for x := range got.Bounds().Dx() {
			g, w := color.NRGBAModel.Convert(got.At(x, y)), color.NRGBAModel.Convert(want.At(x, y))
			if g != w {
				if differ++; differ == 1 {
					t.Errorf("first at %d,%d: got %v, want %v", x, y, g, w)
				}
			}
		}
	}
	if differ > 0 {
		t.Errorf("%d of %d pixels differ", differ, got.Bounds().Dx()*got.Bounds().Dy())
	}
}
