"""Writes accumulate beside this file: a loop that makes a list, which starts empty, and what onnxruntime makes of it.

Needs numpy, onnx and onnxruntime.
"""
import os
import shutil

import numpy as np
import onnx
from onnx import helper as h, numpy_helper as nh, TensorProto as T
body=h.make_graph([h.make_node('Identity',['c'],['co']),h.make_node('Cast',['i'],['f'],to=1),h.make_node('Mul',['x','f'],['e']),h.make_node('SequenceInsert',['s','e'],['so'])],'b',
 [h.make_tensor_value_info('i',7,[]),h.make_tensor_value_info('c',9,[]),h.make_tensor_sequence_value_info('s',1,None)],[h.make_tensor_value_info('co',9,[]),h.make_tensor_sequence_value_info('so',1,None)])
g=h.make_graph([h.make_node('SequenceEmpty',[],['s0']),h.make_node('Loop',['k','t','s0'],['s1'],body=body),h.make_node('ConcatFromSequence',['s1'],['y'],axis=0,new_axis=1),h.make_node('SequenceAt',['s1','k1'],['z']),h.make_node('SequenceLength',['s1'],['n'])],'g',
 [h.make_tensor_value_info('k',7,[]),h.make_tensor_value_info('x',1,['n'])],[h.make_tensor_value_info('y',1,None),h.make_tensor_value_info('z',1,None),h.make_tensor_value_info('n',7,[])],[nh.from_array(np.array(True),'t'),nh.from_array(np.array(-1),'k1')])
g.output[0].CopyFrom(h.make_tensor_value_info('y',1,['a','b'])); g.output[1].CopyFrom(h.make_tensor_value_info('z',1,['b2']))
m=h.make_model(g,opset_imports=[h.make_opsetid('',17)],ir_version=9); onnx.checker.check_model(m)
import onnxruntime as ort
x=np.array([1,2,3],'f4'); k=np.array(4)
r=ort.InferenceSession(m.SerializeToString()).run(None,{'k':k,'x':x})
here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "accumulate")
d = os.path.join(here, "test_data_set_0")
shutil.rmtree(here, ignore_errors=True)
os.makedirs(d)
onnx.save(m, os.path.join(here, "model.onnx"))
for i,v in enumerate([k,x]): open(f'{d}/input_{i}.pb','wb').write(nh.from_array(v).SerializeToString())
for i,v in enumerate(r): open(f'{d}/output_{i}.pb','wb').write(nh.from_array(np.asarray(v)).SerializeToString())
