//go:build race

package ldsig_test

const slowness = 100
