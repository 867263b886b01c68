"""What the encoding modules import, for a machine that has numpy and ONNX Runtime alone.

`medpipe export --edge` copies these into the folder, behind everything that is installed: where the
real library is there, it is used. The folder's answers are compared with the service's before it is
called good, with the stand-ins in place.
"""
