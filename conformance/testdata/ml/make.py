"""Writes cases.tar.gz beside this file: cases for each operator of ai.onnx.ml, in the layout of the ONNX backend tests: what onnxruntime makes of them.

Not here, as onnxruntime differs from the specification: NaN keys of LabelEncoder, base values of targets that no leaf has, labels of two classes
that both have weights in a forest, post_transform of one score (but of two classes), and rows of SOFTMAX_ZERO that are all 0.
Needs numpy, onnx and onnxruntime, whose Python can feed maps to f32 and strings only.
"""
import gzip
import io
import os
import tarfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper as h, numpy_helper as nh, TensorProto as T
out = os.path.dirname(os.path.abspath(__file__))
tar = tarfile.open(fileobj=gzip.GzipFile(os.path.join(out, 'cases.tar.gz'), 'wb', 9, mtime=0), mode='w')
rng=np.random.default_rng(3)
DT={np.dtype('float32'):1,np.dtype('float64'):11,np.dtype('int64'):7,np.dtype('int32'):6,np.dtype('O'):8}
KEY={str:8,int:7}
VAL={str:8,int:7,float:1}
def info(name, x):
    """The type of a value: an array, a dict (values of wide where given), or a list of dicts."""
    if isinstance(x,np.ndarray): return h.make_tensor_value_info(name,DT[x.dtype],x.shape)
    return h.make_value_info(name,typ(x))
def typ(x):
    if isinstance(x,list): return h.make_sequence_type_proto(typ(x[0]))
    k,v=next(iter(x.items()))
    return h.make_map_type_proto(KEY[type(k)],h.make_tensor_type_proto(DT[v.dtype] if hasattr(v,'dtype') else VAL[type(v)],[]))
def proto(x):
    if isinstance(x,np.ndarray): return nh.from_array(x)
    if isinstance(x,list):
        s=onnx.SequenceProto(elem_type=onnx.SequenceProto.MAP)
        s.map_values.extend(proto(d) for d in x)
        return s
    m=onnx.MapProto(key_type=KEY[type(next(iter(x)))])
    for k in x: (m.string_keys.append(k.encode()) if m.key_type==8 else m.keys.append(k))
    m.values.elem_type=onnx.SequenceProto.TENSOR
    for v in x.values(): m.values.tensor_values.append(nh.from_array(np.array(v,dtype={str:object,float:np.float32,int:np.int64}.get(type(v)) or v.dtype)))
    return m
def case(name, op, ins, opset=3, nout=1, outt=1, check=None, want=None, **attrs):
    """outt: dtypes of the outputs, or the type of one that is no tensor; check: what must hold of the results for them to be recorded; want:
    the results, by the specification, of what onnxruntime's Python cannot run."""
    ins=[np.asarray(i) if not isinstance(i,(np.ndarray,dict)) else i for i in ins]
    names=['y']+['y%d'%i for i in range(1,nout)]
    node=h.make_node(op,['x%d'%i for i in range(len(ins))],names,domain='ai.onnx.ml',**attrs)
    outt=outt if isinstance(outt,(tuple,list)) else [outt]
    def build(outs): 
        return h.make_model(h.make_graph([node],'g',[info('x%d'%i,x) for i,x in enumerate(ins)],outs),opset_imports=[h.make_opsetid('',18),h.make_opsetid('ai.onnx.ml',opset)],ir_version=9)
    m=build([h.make_tensor_value_info(n,t,None) if isinstance(t,int) else h.make_value_info(n,t) for n,t in zip(names,outt)])
    s=ort.InferenceSession(m.SerializeToString())
    ys=[want] if want is not None else s.run(None,{'x%d'%i:x for i,x in enumerate(ins)})
    assert check is None or check(*ys), (name, ys)
    m=build([info(n,y) for n,y in zip(names,ys)])
    files={'model.onnx':m}
    for i,x in enumerate(ins): files[f'test_data_set_0/input_{i}.pb']=proto(x)
    for i,y in enumerate(ys): files[f'test_data_set_0/output_{i}.pb']=proto(y)
    for path,x in files.items():
        data=x.SerializeToString()
        entry=tarfile.TarInfo(f'{name}/{path}'); entry.size=len(data)
        tar.addfile(entry,io.BytesIO(data))
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

P=['NONE','SOFTMAX','LOGISTIC','SOFTMAX_ZERO','PROBIT']
C=dict(nout=2,outt=(7,1))
S=dict(nout=2,outt=(8,1))
for p in P:
    case('lincls3'+p,'LinearClassifier',[X],1,**C,coefficients=[.1,.2,.3,-.4,.5,.6,.7,-.8,.9],intercepts=[.5,.6,.7],classlabels_ints=[3,-4,5],post_transform=p)
    if p!='PROBIT': case('lincls1'+p,'LinearClassifier',[X],1,**C,coefficients=[.1,-.2,.3],intercepts=[.5],classlabels_ints=[3,4],post_transform=p)
case('lincls2s','LinearClassifier',[X.astype('f8')],1,**S,coefficients=[.1,.2,.3,-.4,.5,.6],intercepts=[.5,.6],classlabels_strings=['no','yes'],multi_class=1)
case('linclsi','LinearClassifier',[np.array([[1,-2,3]],'i4')],1,**S,coefficients=[.1,-.2,.3],intercepts=[-.5],classlabels_strings=['no','yes'])
case('linclsv','LinearClassifier',[np.array([1,-2,3])],1,**C,coefficients=[.1,-.2,.3,1,2,3],intercepts=[-.5,0.],classlabels_ints=[7,8])
V=[.1,.2,.3,-.4,.5,.6,.7,-.8,.9,1.,-1.1,1.2]
sv2=dict(coefficients=[1.5,-1.6,.7,-1.8],support_vectors=V,vectors_per_class=[2,2],rho=[-.1],classlabels_ints=[3,4])
sv3=dict(coefficients=[.5,-.6,.7,-.8,.2,.3,-1.4,.5],support_vectors=V,vectors_per_class=[2,1,1],rho=[-.3,.2,-.1],classlabels_strings=['a','b','c'])
K={'LINEAR':[0.,0.,0.],'POLY':[.3,1.,3.],'RBF':[.5,0.,0.],'SIGMOID':[.2,.1,0.]}
for k,kp in K.items():
    kw=dict(kernel_type=k,kernel_params=kp)
    case('svc2'+k,'SVMClassifier',[X],1,**C,**sv2,**kw)
    case('svc3'+k,'SVMClassifier',[X],1,**S,**sv3,**kw)
    case('svc3p'+k,'SVMClassifier',[X],1,**S,**sv3,prob_a=[-3.,-2.,-.5],prob_b=[.1,.2,.3],**kw)
    case('svr'+k,'SVMRegressor',[X],1,coefficients=[.5,-.6,.7,-.8],support_vectors=V,n_supports=4,rho=[.1],**kw)
    case('svr1'+k,'SVMRegressor',[X],1,coefficients=[.5,-.6,.7,-.8],support_vectors=V,n_supports=4,rho=[-.3],one_class=1,**kw)
kw=dict(kernel_type='RBF',kernel_params=K['RBF'])
for p in P[1:]:
    if p!='PROBIT': case('svc2'+p,'SVMClassifier',[X],1,**C,**sv2,**kw,post_transform=p)
    case('svc3'+p,'SVMClassifier',[X],1,**S,**sv3,**kw,post_transform=p)
    case('svc2p'+p,'SVMClassifier',[X],1,**C,**sv2,**kw,post_transform=p,prob_a=[-1.],prob_b=[.2])
case('svclin3','SVMClassifier',[X],1,**S,coefficients=[.1,.2,-.3,-.4,.5,.6,.7,.8,-.9],rho=[.1],classlabels_strings=['a','b','c'],kernel_params=K['LINEAR'],post_transform='SOFTMAX')
for name,c in (('neg',[.1,.2,-.3,-.4,.5,.6]),('pos',[.1,.2,.3,.4,.5,.6])): case('svclin2'+name,'SVMClassifier',[X],1,**C,coefficients=c,rho=[.1],classlabels_ints=[5,6],kernel_params=K['LINEAR'])
case('svclini','SVMClassifier',[(X*3).astype('i8')],1,**C,coefficients=[.1,.2,-.3,-.4,.5,.6,.7,.8,-.9],rho=[.1],classlabels_ints=[1,2,3],kernel_params=K['LINEAR'])
case('svrlin','SVMRegressor',[X],1,coefficients=[.5,-.6,.7],rho=[.1],kernel_params=K['LINEAR'])
nodes={k:v for k,v in tree.items() if k.startswith('nodes')}
ct=dict(nodes,class_treeids=[0,0,0,1,1],class_nodeids=[2,3,4,1,2])
W=[.1,.2,.3,.4,.5]
for p in P:
    case('tec3'+p,'TreeEnsembleClassifier',[X],1,**C,**ct,class_ids=[0,1,2,0,2],class_weights=W,classlabels_int64s=[7,8,9],base_values=[.02,.03,.04],post_transform=p)
    case('tec1'+p,'TreeEnsembleClassifier',[X],1,**S,**ct,class_ids=[1]*5,class_weights=W,classlabels_strings=['no','yes'],post_transform=p)
    if p!='PROBIT': case('tec0'+p,'TreeEnsembleClassifier',[X],1,**C,**ct,class_ids=[0]*5,class_weights=W,classlabels_int64s=[7,8],post_transform=p)
    if p!='PROBIT': case('tec0n'+p,'TreeEnsembleClassifier',[X],1,**C,**ct,class_ids=[0]*5,class_weights=[.1,-.2,.3,-.4,.5],classlabels_int64s=[7,8],base_values=[.25],post_transform=p)
case('tecneg','TreeEnsembleClassifier',[X],1,**C,**ct,class_ids=[0,1,2,0,2],class_weights=[-w for w in W],classlabels_int64s=[7,8,9])
case('tec2','TreeEnsembleClassifier',[X],1,**C,**ct,class_ids=[0,1,0,1,1],class_weights=[.1,.3,.2,.4,.5],classlabels_int64s=[0,1],check=lambda y,z: (y==z.argmax(1)).all())
case('tecd','TreeEnsembleClassifier',[X.astype('f8')],3,**C,**{k:v for k,v in ct.items() if k!='nodes_values'},nodes_values_as_tensor=nh.from_array(np.array(ct['nodes_values'])),class_ids=[0,1,2,0,2],class_weights_as_tensor=nh.from_array(np.array(W)),classlabels_int64s=[7,8,9],base_values_as_tensor=nh.from_array(np.array([.02,.03,.04])))
case('teci','TreeEnsembleClassifier',[(X*3).astype('i8')],3,**S,**ct,class_ids=[0,1,2,0,2],class_weights=W,classlabels_strings=['a','b','c'])
case('teclabel','TreeEnsembleClassifier',[X],1,**C,**ct,class_ids=[0]*5,class_weights=[.1,-.2,.3,-.4,.5],classlabels_int64s=[1])
def maps(k): return h.make_sequence_type_proto(h.make_map_type_proto(k,h.make_tensor_type_proto(1,[])))
case('zips','ZipMap',[X],1,outt=[maps(8)],classlabels_strings=['b','a','c'])
case('zipi','ZipMap',[X],1,outt=[maps(7)],classlabels_int64s=[5,-1,9])
case('zipv','ZipMap',[X[0].copy()],1,outt=[maps(7)],classlabels_int64s=[5,-1,9])
f4,f8=np.float32,np.float64
O=lambda x: np.array(x,object)
case('dictsf','DictVectorizer',[{'b':f4(2),'x':f4(3),'a':f4(1)}],1,string_vocabulary=['a','b','c'])
case('dictsi','DictVectorizer',[{'b':2,'a':1}],1,outt=7,string_vocabulary=['a','b','c'],want=np.array([[1,2,0]]))
case('dictid','DictVectorizer',[{4:f8(2),-1:f8(1)}],1,outt=11,int64_vocabulary=[3,4,-1],want=np.array([[0.,2,1]]))
case('dictif','DictVectorizer',[{4:f4(2),-1:f4(1)}],1,int64_vocabulary=[3,4,-1])
case('dictis','DictVectorizer',[{4:'four',-1:'minus'}],1,outt=8,int64_vocabulary=[3,4,-1],want=O([['','four','minus']]))
case('castf','CastMap',[{4:f4(2.5),-1:f4(1)}],1)
case('castfi','CastMap',[{4:f4(2.5),2:f4(-1.5)}],1,outt=7,cast_to='TO_INT64',map_form='SPARSE',max_map=6)
case('castfs','CastMap',[{4:f4(2.5),2:f4(-1)}],1,outt=8,cast_to='TO_STRING',want=O([['-1.0','2.5']]))
case('castsf','CastMap',[{4:'2.5',-1:'1'}],1,want=np.array([[1,2.5]],'f4'))
case('castsi','CastMap',[{4:'25',1:'-1'}],1,outt=7,cast_to='TO_INT64',map_form='SPARSE',max_map=5,want=np.array([[0,-1,0,0,25]]))
case('castss','CastMap',[{4:'x',1:'y'}],1,outt=8,cast_to='TO_STRING',map_form='SPARSE',max_map=5,want=O([['0','y','0','0','x']]))
case('oh0','OneHotEncoder',[np.array([1,4,3])],1,cats_int64s=[1,3,4],zeros=0)
case('oh0s','OneHotEncoder',[np.array([['a'],['b']],object)],1,cats_strings=['a','b'],zeros=0)
for p in ('SOFTMAX_ZERO','PROBIT'): case('linreg'+p,'LinearRegressor',[X],1,coefficients=[.01,.02,.03,.04,-.02,.01],intercepts=[.2,.8],targets=2,post_transform=p)
tar.close()
tar.fileobj.close()
