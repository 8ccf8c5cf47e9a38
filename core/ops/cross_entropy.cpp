#include "core/ops/cross_entropy.h"

#include "core/autograd/node.h"
#include "core/kernels/softmax.h"
#include "core/ops/require.h"

namespace resgrad {
namespace {

Tensor raw_log_softmax(const Tensor& x) {
  Tensor y = Tensor::empty_like(x);
  visit_floating(x.dtype(), "log_softmax", [&]<class T>() {
    kernels::log_softmax_forward(y.data<T>(), x.data<T>(), x.dim(0), x.dim(1));
  });
  return y;
}

struct LogSoftmaxNode final : Node {
  explicit LogSoftmaxNode(const Tensor& y) : y_(y) {}
  const char* name() const override { return "log_softmax"; }
  std::vector<SavedTensor*> saved() override { return {&y_}; }
  std::vector<Tensor> backward(const Tensor& dy) override {
    const Tensor y = y_.get(*this);
    Tensor dx = Tensor::empty_like(y);
    visit_floating(y.dtype(), "log_softmax", [&]<class T>() {
      kernels::log_softmax_backward(dx.data<T>(), dy.data<T>(), y.data<T>(), y.dim(0), y.dim(1));
    });
    return {dx};
  }
  SavedTensor y_;
};

struct CrossEntropyNode final : Node {
  CrossEntropyNode(const Tensor& log_probs, const Tensor& labels, double smoothing)
      : log_probs_(log_probs), labels_(labels), smoothing_(smoothing) {}
  const char* name() const override { return "cross_entropy"; }
  std::vector<SavedTensor*> saved() override { return {&log_probs_, &labels_}; }
  std::vector<Tensor> backward(const Tensor& dy) override {
    const Tensor log_probs = log_probs_.get(*this), labels = labels_.get(*this);
    Tensor dx = Tensor::empty_like(log_probs);
    visit_floating(dx.dtype(), "cross_entropy", [&]<class T>() {
      kernels::cross_entropy_backward(dx.data<T>(), *dy.data<T>(), log_probs.data<T>(),
                                      labels.data<std::int64_t>(), dx.dim(0), dx.dim(1),
                                      smoothing_);
    });
    return {dx};
  }
  SavedTensor log_probs_, labels_;
  double smoothing_;
};

void require_logits(std::string_view op, std::string_view argument, const Tensor& x) {
  require_rank(op, argument, x, 2);
  require_floating(op, argument, x);
  require<ShapeError>(x.dim(1) >= 1, "{}: {}: expected at least one class, got {}", op, argument,
                      x.shape());
}

}  // namespace

Tensor log_softmax(const Tensor& x) {
  require_logits("log_softmax", "x", x);
  Tensor y = raw_log_softmax(x);
  return record<LogSoftmaxNode>(y, {{"x", x}}, y);
}

Tensor cross_entropy(const Tensor& logits, const Tensor& labels, double label_smoothing) {
  require_logits("cross_entropy", "logits", logits);
  const std::int64_t n = logits.dim(0), classes = logits.dim(1);
  require<ShapeError>(n >= 1, "cross_entropy: logits: expected at least one row, got {}",
                      logits.shape());
  require_shape("cross_entropy", "labels", labels, {n});
  require_dtype("cross_entropy", "labels", labels, DType::int64);
  require<ValueError>(label_smoothing >= 0 && label_smoothing <= 1,
                      "cross_entropy: label_smoothing: expected 0 to 1, got {}", label_smoothing);
  const auto* label = labels.data<std::int64_t>();
  const std::int64_t bad = kernels::find_bad_label(label, n, classes);
  require<ValueError>(bad < 0, "cross_entropy: labels: expected values in [0, {}), got {} at {}",
                      classes, bad < 0 ? 0 : label[bad], bad);
  const Tensor log_probs = raw_log_softmax(logits);
  Tensor loss = Tensor::empty({}, logits.dtype());
  visit_floating(logits.dtype(), "cross_entropy", [&]<class T>() {
    *loss.data<T>() =
        kernels::cross_entropy_forward(log_probs.data<T>(), label, n, classes, label_smoothing);
  });
  return record<CrossEntropyNode>(loss, {{"logits", logits}}, log_probs, labels, label_smoothing);
}

}  // namespace resgrad
