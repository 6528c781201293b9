from support.engine_fixtures import cache_folder, cuda, network, trt, without_openvino, without_tensorrt

__all__ = ["cache_folder", "cuda", "network", "trt", "without_openvino", "without_tensorrt"]
