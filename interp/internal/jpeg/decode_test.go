package jpeg

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

// TestAgainstLibjpeg compares every pixel with Pillow's.
func TestAgainstLibjpeg(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.jpg")
	if len(files) == 0 {
		t.Fatal("no images")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			got := open(t, file, Decode)
			want := open(t, strings.TrimSuffix(file, ".jpg")+".png", png.Decode)
			if got.Bounds() != want.Bounds() {
				t.Fatalf("got %v, want %v", got.Bounds(), want.Bounds())
			}
			differ, total := 0, 0
			for y := range got.Bounds().Dy() {
				for x := range got.Bounds().Dx() {
					total++
					if g, w := nrgba(got, x, y), nrgba(want, x, y); g != w {
						if differ++; differ == 1 {
							t.Errorf("first at %d,%d: got %v, want %v", x, y, g, w)
						}
					}
				}
			}
			if differ > 0 {
				t.Errorf("%d of %d pixels differ", differ, total)
			}
		})
	}
}

func open[R interface{ Read([]byte) (int, error) }](t *testing.T, file string, decode func(R) (image.Image, error)) image.Image {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	img, err := decode(any(bytes.NewReader(data)).(R))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func nrgba(img image.Image, x, y int) color.Color { return color.NRGBAModel.Convert(img.At(x, y)) }
