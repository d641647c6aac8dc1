"""Writes a case for each operator of ai.onnx.ml beside this file, in the layout of the ONNX backend tests: what onnxruntime makes of it.

Not here, as onnxruntime differs from the specification: NaN keys of LabelEncoder, base values of targets that no leaf has.
Needs numpy, onnx and onnxruntime.
"""
import os
import shutil

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper as h, numpy_helper as nh, TensorProto as T
out = os.path.dirname(os.path.abspath(__file__))
rng=np.random.default_rng(3)
DT={np.dtype('float32'):1,np.dtype('float64'):11,np.dtype('int64'):7,np.dtype('int32'):6,np.dtype('O'):8}
def case(name, op, ins, opset=3, nout=1, outt=1, **attrs):
    ins=[np.asarray(i) if not isinstance(i,np.ndarray) else i for i in ins]
    node=h.make_node(op,['x%d'%i for i in range(len(ins))],['y'],domain='ai.onnx.ml',**attrs)
    def build(ir_out): 
        return h.make_model(h.make_graph([node],'g',[h.make_tensor_value_info('x%d'%i,DT[x.dtype],x.shape) for i,x in enumerate(ins)],[h.make_tensor_value_info('y',outt,None)]),opset_imports=[h.make_opsetid('',18),h.make_opsetid('ai.onnx.ml',opset)],ir_version=9)
    m=build(None)
    s=ort.InferenceSession(m.SerializeToString())
    y=s.run(None,{'x%d'%i:x for i,x in enumerate(ins)})[0]
    m=h.make_model(h.make_graph([node],'g',list(m.graph.input),[h.make_tensor_value_info('y',DT[y.dtype],y.shape)]),opset_imports=list(m.opset_import),ir_version=9)
    d=f'{out}/{name}/test_data_set_0'
    shutil.rmtree(f'{out}/{name}', ignore_errors=True)
    os.makedirs(d); onnx.save(m,f'{out}/{name}/model.onnx')
    for i,x in enumerate(ins): open(f'{d}/input_{i}.pb','wb').write(nh.from_array(x).SerializeToString())
    open(f'{d}/output_0.pb','wb').write(nh.from_array(y).SerializeToString())
X=rng.normal(size=(5,3)).astype('f4')
case('bin','Binarizer',[X],1,threshold=0.2)
case('scaler','Scaler',[X],1,offset=[.1,.2,.3],scale=[2.,3.,4.])
case('scaler1','Scaler',[X],1,offset=[.1],scale=[2.])
for p in ['NONE','SOFTMAX','LOGISTIC']: case('linreg'+p,'LinearRegressor',[X],1,coefficients=[.1,.2,.3,.4,.5,.6],intercepts=[1.,2.],targets=2,post_transform=p)
for p in ['MAX','L1','L2']: 
    Z=X.copy(); Z[2]=0; case('norm'+p,'Normalizer',[Z],1,norm=p)
case('fv','FeatureVectorizer',[X,X[:,:2].copy()],1,inputdimensions=[3,2])
Z=X.copy(); Z[0,1]=np.nan; Z[3,2]=np.nan
case('imp','Imputer',[Z],1,imputed_value_floats=[1.,2.,3.],replaced_value_float=float('nan'))
case('oh','OneHotEncoder',[np.array([1,5,3])],1,cats_int64s=[1,3,4],zeros=1)
case('ohf','OneHotEncoder',[np.array([[1.,5.,3.7]],'f4')],1,cats_int64s=[1,3,4],zeros=1)
case('ohs','OneHotEncoder',[np.array(['a','c'],object)],1,cats_strings=['a','b'],zeros=1)
case('catm','CategoryMapper',[np.array(['a','c'],object)],1,outt=7,cats_strings=['a','b'],cats_int64s=[4,5],default_int64=-7)
case('catm2','CategoryMapper',[np.array([4,9])],1,outt=8,cats_strings=['a','b'],cats_int64s=[4,5],default_string='zz')
case('le1','LabelEncoder',[np.array(['b','c'],object)],1,outt=7,classes_strings=['a','b'],default_int64=-3)
case('le1b','LabelEncoder',[np.array([1,7])],1,outt=8,classes_strings=['a','b'],default_string='q')
case('afe','ArrayFeatureExtractor',[X,np.array([[2,0]])],1)
tree=dict(nodes_treeids=[0]*5+[1]*3,nodes_nodeids=[0,1,2,3,4,0,1,2],nodes_featureids=[0,1,0,0,0,2,0,0],nodes_values=[.1,-.2,0,0,0,.3,0,0],nodes_modes=['BRANCH_LEQ','BRANCH_LEQ','LEAF','LEAF','LEAF','BRANCH_LEQ','LEAF','LEAF'],nodes_truenodeids=[1,3,0,0,0,1,0,0],nodes_falsenodeids=[2,4,0,0,0,2,0,0],
 target_treeids=[0,0,0,0,1,1],target_nodeids=[2,2,3,4,1,2],target_ids=[0,1,0,1,0,1],target_weights=[1.,2.,3.,4.,5.,6.],n_targets=2)
for a in ['SUM','AVERAGE','MIN','MAX']: case('ter'+a,'TreeEnsembleRegressor',[X],1,aggregate_function=a,**tree)
case('termiss','TreeEnsembleRegressor',[Z],1,nodes_missing_value_tracks_true=[1,0,0,0,0,1,0,0],**tree)
case('termodes','TreeEnsembleRegressor',[X],1,**dict(tree,nodes_modes=['BRANCH_GT','BRANCH_LT','LEAF','LEAF','LEAF','BRANCH_GTE','LEAF','LEAF']))
case('terd','TreeEnsembleRegressor',[X.astype('f8')],1,**tree)
