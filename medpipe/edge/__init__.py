"""The champion as a folder that answers with numpy and ONNX Runtime: `medpipe export --edge`."""
