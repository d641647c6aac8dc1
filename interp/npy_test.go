package interp

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/emilyc/emily/ir"
)

func TestNPYRoundTrip(t *testing.T) {
	for d := ir.Invalid + 1; d < ir.NumDTypes; d++ {
		for _, shape := range [][]int{{}, {0}, {3}, {2, 0, 2}, {2, 3}} {
			x := ir.NewTensor(d, shape...)
			for i := range x.Data {
				x.Data[i] = byte(i) & (1<<min(d.Bits(), 8) - 1)
			}
			if d == ir.Bool {
				for i := range x.Data {
					x.Data[i] &= 1
				}
			}
			for i := range x.Strings {
				x.Strings[i] = strings.Repeat("é", i)
			}
			var b bytes.Buffer
			if err := WriteNPY(&b, x); err != nil {
				t.Fatal(err)
			}
			got, err := ReadNPYAs(&b, d)
			if err != nil {
				t.Fatalf("%s%v: %v", d, shape, err)
			}
			if s := diff(x, got, 0); s != "" {
				t.Errorf("%s%v: %s", d, shape, s)
			}
		}
	}
}

// TestReadNPY reads what np.save wrote.
func TestReadNPY(t *testing.T) {
	// np.save of np.asfortranarray(np.array([[1, 2, 3], [4, 5, 6]], '>i2'))
	header := "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }"
	file := npyMagic + "\x01\x00" + string([]byte{byte(len(header)), 0}) + header
	data, _ := hex.DecodeString("000100040002000500030006")
	got, err := ReadNPY(strings.NewReader(file + string(data)))
	if err != nil {
		t.Fatal(err)
	}
	if s := diff(tensorOf[int16]([]int{2, 3}, 1, 2, 3, 4, 5, 6), got, 0); s != "" {
		t.Error(s)
	}
}

func TestReadNPYErrors(t *testing.T) {
	npy := func(header, data string) string {
		return npyMagic + "\x01\x00" + string([]byte{byte(len(header)), byte(len(header) >> 8)}) + header + data
	}
	for _, c := range []struct{ file, want string }{
		{"", "not a .npy"},
		{npyMagic + "\x01\x00\xff", "truncated"},
		{npy("{}", ""), "header"},
		{npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "1234"), "4 bytes of data, its header says 8"},
		{npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 1099511627776)}", ""), "too large"},
		{npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,)}", ""), "0 bytes of data"},
		{npy("{'descr': '<M8', 'fortran_order': False, 'shape': (1,)}", ""), "type M8"},
		{npy("{'descr': '<U99999999999', 'fortran_order': False, 'shape': (1,)}", ""), "type U"},
		{npy("{'descr': '<i4', 'fortran_order': False, 'shape': (0,)}", ""), "wants f32"},
	} {
		if _, err := ReadNPYAs(strings.NewReader(c.file), ir.F32); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: error %v, want %q", c.file, err, c.want)
		}
	}
}
