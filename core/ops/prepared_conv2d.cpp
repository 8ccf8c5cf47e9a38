#include "core/ops/prepared_conv2d.h"

#include "core/kernels/batch_norm.h"
#include "core/ops/require.h"

namespace resgrad {
namespace {

constexpr const char* kOp = "conv2d";
constexpr MemoryFormat kChannelsLast = MemoryFormat::channels_last;

// y = y + bias + residual, with a ReLU on demand, where the engine has not done it.
void finish(Tensor& y, const kernels::Conv2dEpilogue& e) {
  if (e.bias == nullptr && e.residual == nullptr && !e.relu) return;
  const Tensor zeros = Tensor::zeros({y.dim(1)}), ones = Tensor::ones({y.dim(1)});
  const float* shift = e.bias == nullptr ? zeros.data<float>() : e.bias;
  kernels::batch_norm<float>().apply(y.data<float>(), y.data<float>(),
                                     {zeros.data<float>(), ones.data<float>(), shift}, e.residual,
                                     e.relu, rows_of(y), y.dim(1));
}

}  // namespace

Conv2dWeights fold_batch_norm(const Conv2dWeights& w, const BatchNormFactors& factors) {
  const std::int64_t outputs = w.weight.dim(0);
  require_shape("batch_norm", "weight", factors.scale, {outputs});
  const std::int64_t size = outputs == 0 ? 0 : w.weight.numel() / outputs;
  Conv2dWeights folded{w.weight.clone(), Tensor::empty({outputs})};
  for (std::int64_t k = 0; k < outputs; ++k) {
    const double scale = factors.scale.data<float>()[k], mean = factors.mean.data<float>()[k];
    const double bias = w.bias.defined() ? w.bias.data<float>()[k] : 0;
    float* weight = folded.weight.data<float>() + k * size;
    for (std::int64_t i = 0; i < size; ++i) {
      weight[i] = static_cast<float>(static_cast<double>(weight[i]) * scale);
    }
    folded.bias.data<float>()[k] = static_cast<float>(
        (bias - mean) * scale + static_cast<double>(factors.shift.data<float>()[k]));
  }
  return folded;
}

PreparedConv2d::PreparedConv2d(const Conv2dWeights& weights, const Conv2dOptions& options)
    : weights_{weights.weight.detach(MemoryFormat::contiguous), weights.bias}, options_(options) {
  require_dtype("PreparedConv2d", "weight", weights.weight, DType::float32);
}

Tensor PreparedConv2d::operator()(const Conv2dOperand& operand, const Tensor& residual, bool relu) {
  check_conv2d(operand.x, weights_.weight, weights_.bias, options_);
  if (operand.norm.scale.defined()) {
    require_shape("batch_norm", "weight", operand.norm.scale, {operand.x.dim(1)});
  }
  const kernels::Conv2dDims d = conv2d_dims(operand.x, weights_.weight, options_);
  const Conv2dOperand x{operand.x.detach(kChannelsLast), operand.norm};
  Tensor y = Tensor::empty({d.n, d.c_out, d.h_out(), d.w_out()}, DType::float32, kChannelsLast);
  Tensor added;
  if (residual.defined()) {
    require_shape(kOp, "residual", residual, y.shape());
    added = residual.detach(kChannelsLast);
  }
  const kernels::Conv2dEpilogue epilogue{
      .bias = weights_.bias.defined() ? weights_.bias.data<float>() : nullptr,
      .residual = added.defined() ? added.data<float>() : nullptr,
      .relu = relu};
  if (d.macs() == 0) {
    y.zero_();
    finish(y, epilogue);
    return y.detach(operand.x.memory_format());
  }
  const auto& engine = kernels::choose_conv2d<float>(d, kernels::Conv2dPass::forward);
  const kernels::Conv2dInput<float> input = conv2d_input<float>(x);
  if (const auto plan = engine.plan_inference(d); plan != nullptr) {
    const std::byte* weights = form(engine.name(), *plan);
    const Storage workspace(plan->workspace_bytes());
    plan->run(y.data<float>(), input, weights, epilogue, workspace.data());
  } else {
    const auto forward = engine.plan(d, kernels::Conv2dPass::forward);
    const Storage workspace(forward->workspace_bytes());
    forward->run(y.data<float>(), input, weights_.weight.data<float>(), workspace.data());
    finish(y, epilogue);
  }
  report_conv2d(kOp, d, kernels::Conv2dPass::forward, engine.name(), sizeof(float));
  return y.detach(operand.x.memory_format());
}

std::size_t PreparedConv2d::bytes() const {
  std::size_t bytes = 0;
  for (const auto& form : forms_) bytes += form->weights.bytes();
  return bytes;
}

const std::byte* PreparedConv2d::form(std::string_view engine,
                                      const kernels::Conv2dInferencePlan& plan) {
  const kernels::Isa isa = kernels::active_isa();
  for (const auto& form : forms_) {
    if (form->engine == engine && form->isa == isa) return form->weights.data();
  }
  auto fresh = std::unique_ptr<const Form>(new Form{engine, isa, Storage(plan.weight_bytes())});
  plan.prepare(fresh->weights.data(), weights_.weight.data<float>());
  forms_.push_back(std::move(fresh));
  return forms_.back()->weights.data();
}

}  // namespace resgrad
