// The cblas_sgemm that MLX calls. A product with a vector goes to sgemv, which reads a matrix as fast as memory gives it,
// in place of sgemm, which first packs it: two to five times faster. All else goes to OpenBLAS's own sgemm.
//
// PREFIX is what OpenBLAS's symbols begin with.
#include <dlfcn.h>

#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)
#define NAMED2(a) #a
#define NAMED(a) NAMED2(a)
#define OWN_SGEMM JOIN(PREFIX, cblas_sgemm)
#define OWN_SGEMV JOIN(PREFIX, cblas_sgemv)

enum Order { RowMajor = 101 };
enum Trans { NoTrans = 111, Transposed = 112 };

using Sgemm = void (*)(int order, int ta, int tb, int m, int n, int k, float alpha, const float* a, int lda, const float* b, int ldb,
                       float beta, float* c, int ldc);

extern "C" void OWN_SGEMV(int order, int trans, int rows, int cols, float alpha, const float* a, int lda, const float* x, int incx,
                          float beta, float* y, int incy);

static Sgemm ownSgemm() {
  static const auto f = reinterpret_cast<Sgemm>(dlsym(RTLD_NEXT, NAMED(OWN_SGEMM)));
  return f;
}

// product: y = alpha · op(matrix) · x + beta · y for a row-major matrix. A beta of 0 overwrites y, NaN too.
static void product(bool transposed, int rows, int cols, float alpha, const float* matrix, int ld, const float* x, int incx,
                    float beta, float* y, int incy) {
  if (beta == 0) {
    for (long i = 0, n = transposed ? cols : rows; i < n; i++) y[i * incy] = 0;
    beta = 1;
  }
  OWN_SGEMV(RowMajor, transposed ? Transposed : NoTrans, rows, cols, alpha, matrix, ld, x, incx, beta, y, incy);
}

extern "C" __attribute__((visibility("default"))) void cblas_sgemm(int order, int ta, int tb, int m, int n, int k, float alpha,
                                                                   const float* a, int lda, const float* b, int ldb, float beta,
                                                                   float* c, int ldc) {
  bool at = ta != NoTrans, bt = tb != NoTrans;
  if (order != RowMajor || k == 0 || (m != 1 && n != 1)) return ownSgemm()(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  if (m == 1) return product(!bt, bt ? n : k, bt ? k : n, alpha, b, ldb, a, at ? lda : 1, beta, c, 1);
  product(at, at ? k : m, at ? m : k, alpha, a, lda, b, bt ? 1 : ldb, beta, c, ldc);
}
