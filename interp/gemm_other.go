//go:build !amd64 && !arm64

package interp

var kernel = portable
