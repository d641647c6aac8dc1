package onnx

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"github.com/emilyc/emily/frontends/onnx/pb"
)

const remedyFolder = "put the data file into the model's folder and name it relative to that"

// place is where external data lies; length is -1 if the shape is to say it.
type place struct {
	location       string
	offset, length int64
}

// externalData gives the need bytes of t that lie in a file of their own. The checksum is not
// verified: that would read the whole file.
//
// Errors: External.
func (f *File) externalData(t *pb.TensorProto, p Payload, need int64) (Payload, error) {
	at, err := parsePlace(t.ExternalData)
	if err != nil {
		return p, err
	}
	if at.length >= 0 && at.length != need {
		return p, errf(External, remedyExport, "external data %q has length %d, shape %s needs %d",
			at.location, at.length, shapeString(p.DType, p.Dims), need)
	}
	m, err := f.mapExternal(at.location)
	if err != nil {
		return p, err
	}
	size := int64(len(m.Data))
	if at.offset > size || need > size-at.offset {
		return p, errf(External, "copy or download the data file again",
			"external data %q has %d bytes, %s at offset %d needs %d",
			at.location, size, shapeString(p.DType, p.Dims), at.offset, need)
	}
	p.Map, p.Off, p.Len = m, at.offset, need
	return p, nil
}

func parsePlace(entries []*pb.StringStringEntryProto) (place, error) {
	at := place{length: -1}
	seen := map[string]bool{}
	for _, e := range entries {
		key, value := e.GetKey(), e.GetValue()
		if seen[key] {
			return at, errf(External, remedyExport, "external data has the key %q twice", key)
		}
		seen[key] = true
		var err error
		switch key {
		case "location":
			at.location = value
		case "offset":
			at.offset, err = parseSize(key, value)
		case "length":
			at.length, err = parseSize(key, value)
		}
		if err != nil {
			return at, err
		}
	}
	return at, checkLocation(at.location)
}

func parseSize(key, value string) (int64, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, errf(External, remedyExport, "external data: %s %s is out of range, at most %d", key, clip(value), int64(math.MaxInt64))
	case err != nil:
		return 0, errf(External, remedyExport, "external data: %s %q is not a number", key, clip(value))
	case n < 0:
		return 0, errf(External, remedyExport, "external data: %s %d is negative", key, n)
	}
	return n, nil
}

// checkLocation refuses by name what os.Root would refuse too, to say why.
func checkLocation(location string) error {
	switch {
	case location == "":
		return errf(External, remedyExport, "external data has no location")
	case filepath.IsAbs(location):
		return errf(External, remedyFolder, "external data %q has an absolute path", clip(location))
	case !filepath.IsLocal(location):
		return errf(External, remedyFolder, "external data %q is outside the model's folder", clip(location))
	}
	return nil
}

// mapExternal maps a file of the model's folder, once.
func (f *File) mapExternal(location string) (*Mapping, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := filepath.Clean(location)
	if m := f.external[key]; m != nil {
		return m, nil
	}
	m, err := f.openExternal(key)
	if err != nil {
		return nil, externalError(location, err)
	}
	if f.external == nil {
		f.external = map[string]*Mapping{}
	}
	f.external[key] = m
	return m, nil
}

// openExternal opens name within dir: os.Root follows symlinks that stay inside and refuses all
// others, whatever happens to the folder meanwhile.
func (f *File) openExternal(name string) (*Mapping, error) {
	if f.dir == "" {
		return nil, errNoFolder
	}
	if f.root == nil {
		root, err := os.OpenRoot(f.dir)
		if err != nil {
			return nil, err
		}
		f.root = root
	}
	st, err := f.root.Stat(name) // first: opening a device may have effects
	if err != nil {
		return nil, err
	}
	if err := regular(st.Mode()); err != nil {
		return nil, err
	}
	file, err := f.root.OpenFile(name, openFlags, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return mapFile(file, filepath.Join(f.dir, name))
}

var errNoFolder = errors.New("the model was decoded from memory and has no folder")

func externalError(location string, err error) error {
	e := &Error{Kind: External, Msg: "external data " + strconv.Quote(clip(location)), Err: err}
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		e.Err = p.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Remedy = "download or copy it next to the model"
	case errors.Is(err, errNoFolder):
		e.Remedy = "open the model by its path"
	case errors.Is(err, fs.ErrPermission):
		e.Remedy = "make it readable"
	default: // not regular, or a link that leaves the folder
		e.Remedy = "replace it by a regular file in the model's folder"
	}
	return e
}

// clip keeps hostile names from filling the screen.
func clip(s string) string {
	const limit = 200
	if len(s) <= limit {
		return s
	}
	return s[:limit] + "…"
}
